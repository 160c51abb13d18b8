import { randomUUID } from 'node:crypto';
import { bullBase } from '../../dist/lib/queue/keys.js';
import { beat, registerQueues } from '../../dist/lib/queue/registry.js';
import { WorkFigures, writeWorkStats } from '../../dist/lib/queue/work-stats.js';

const PREFIX = 'infer';
const AT_ONCE = 5_000;
const BEAT_MS = 1_000;
const BUCKET_MS = 10_000;

/** Copies a job, in one step: KEYS 1 its base. ARGV id of the original, first number, how many, list, extra fields. */
const COPY = `
local fields = redis.call('HGETALL', KEYS[1] .. ARGV[1])
local from, count, list = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local extra = cjson.decode(ARGV[5])
for i = from, from + count - 1 do
  local id = 'copy-' .. list .. '-' .. i
  redis.call('HSET', KEYS[1] .. id, unpack(fields))
  if #extra > 0 then redis.call('HSET', KEYS[1] .. id, unpack(extra)) end
  if list == 'prioritized' then redis.call('HSET', KEYS[1] .. id, 'priority', 1 + i % 10) end
  local score = list == 'prioritized' and (1 + i % 10) * 4294967296 + i or tonumber(ARGV[6]) - i
  redis.call('ZADD', KEYS[1] .. list, score, id)
end
`;

/** @typedef {import('infer-queue').InferClient['redis']} Redis */

/**
 * Makes many jobs of one by copying it in Redis: through the library a million takes ten minutes.
 * @param {Redis} redis @param {string} queue @param {string} id @param {number} jobs
 * @param {'prioritized' | 'failed'} list
 */
export async function copyJobs(redis, queue, id, jobs, list) {
  const failure = JSON.stringify({ code: 'MODEL_RUN', message: 'the model failed' });
  const now = Date.now();
  for (let from = 0; from < jobs; from += AT_ONCE) {
    const extra = list === 'failed' ? ['st', 'failed', 'f', failure, 'finishedOn', String(now - from)] : [];
    const count = Math.min(AT_ONCE, jobs - from);
    await redis.eval(COPY, 1, bullBase(PREFIX, queue), id, from, count, list, JSON.stringify(extra), now);
  }
}

/** Workers that send heartbeats and reports of their work, and do nothing else. */
export class SimulatedWorkers {
  /**
   * @param {Redis} redis @param {readonly string[]} queues @param {number} count
   * @param {number} each queues that each of them serves
   */
  constructor(redis, queues, count, each) {
    this.redis = redis;
    this.workers = Array.from({ length: count }, (_, i) => ({
      id: randomUUID(),
      name: `w-${i}`,
      queues: Array.from({ length: each }, (_unused, k) => queues[(i * each + k) % queues.length] ?? ''),
      startedAt: Date.now(),
    }));
    this.queues = queues;
    this.beats = 0;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
  }

  async start() {
    await registerQueues(this.redis, PREFIX, this.queues);
    await this.beat();
    this.timer = setInterval(() => void this.beat(), BEAT_MS);
  }

  stop() {
    clearInterval(this.timer);
  }

  async beat() {
    this.beats += 1;
    const now = Date.now();
    const bucket = Math.floor(now / BUCKET_MS);
    await Promise.all(
      this.workers.flatMap((worker) => [
        beat(this.redis, PREFIX, this.record(worker, now)),
        writeWorkStats(this.redis, PREFIX, worker.id, {
          buckets: worker.queues.map((queue) => ({ queue, bucket, figures: figures(now) })),
          totals: new Map(worker.queues.map((queue) => [queue, figures(now)])),
        }),
      ]),
    );
  }

  /** @param {SimulatedWorkers['workers'][number]} worker @param {number} now @returns {any} */
  record({ id, name, queues, startedAt }, now) {
    return {
      ...{ id, name, host: `host-${name}`, pid: 1, version: '0.1.0', startedAt, beatAt: now, state: 'ready' },
      ...{ gpu: '0', device: 'cuda', queues, concurrency: 2, maxBatch: null, batchWindowMs: 0, threads: 2 },
      models: [1, 2].map((n) => ({ name: `model-${n}`, version: 1, batch: 32, digest: 'abcdef0123456789' })),
      active: queues.map((queue) => ({
        id: randomUUID(),
        queue,
        model: 'model-1',
        rows: 1,
        sinceMs: 10,
        attempt: 1,
      })),
      runs: [{ model: 'model-1', sinceMs: 8 }],
      notStarted: Object.fromEntries(queues.map((queue) => [queue, [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]])),
      ...{ jobsDone: this.beats * 50, rowsDone: this.beats * 400, jobsFailed: 0, batches: this.beats * 12 },
      ...{ busyMs: this.beats * 700, rssBytes: 4e8, loopLagMs: 3 },
      gpuMemory: { usedBytes: 8e9, totalBytes: 24e9, utilisation: 0.7 },
    };
  }
}

/** The work of part of a bucket, all of one model. @param {number} now */
function figures(now) {
  const made = share(now);
  made.models.set('model-1', share(now));
  return made;
}

/** @param {number} now */
function share(now) {
  const made = new WorkFigures();
  const part = 1 + (Math.floor(now / BEAT_MS) % 10);
  made.jobs.completed = 40 * part;
  made.rows = 320 * part;
  for (let i = 0; i < 30; i++) {
    made.wait.add(2 + i * 1.7);
    made.run.add(4 + i * 0.3);
    made.total.add(7 + i * 2);
  }
  for (let i = 0; i < 10; i++) made.addBatch(24 + i, 'full');
  return made;
}
