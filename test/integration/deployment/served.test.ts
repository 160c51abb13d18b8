import { afterEach, beforeEach, expect, it } from 'vitest';
import { findServing } from '../../../src/lib/bench/open-setup.js';
import type { InferClient } from '../../../src/lib/client/client.js';
import { MOST_QUEUES, MOST_WORKERS, readSnapshot } from '../../../src/lib/deployment/metrics-snapshot.js';
import { PlaceReader } from '../../../src/lib/deployment/place/place-reader.js';
import { findProblems } from '../../../src/lib/deployment/problems.js';
import { Shown } from '../../../src/lib/deployment/shown.js';
import { judgeServed } from '../../../src/lib/doctor/checks/queues.js';
import { judgeLocks } from '../../../src/lib/doctor/checks/running.js';
import type { MetricsView, ValueFamily } from '../../../src/lib/metrics/family.js';
import { QUEUE_FAMILIES } from '../../../src/lib/metrics/queue-families.js';
import { moveJobs } from '../../../src/lib/operations/move-jobs.js';
import { pauseQueue } from '../../../src/lib/operations/pause-queue.js';
import type { ActiveJob } from '../../../src/lib/queue/read/job-active.js';
import { beat, listWorkers } from '../../../src/lib/queue/registry.js';
import { announceStart, listStarting } from '../../../src/lib/queue/starting.js';
import type { WorkerRecord } from '../../../src/lib/queue/types.js';
import { serverNow } from '../../../src/lib/redis/server-clock.js';
import { phaseOf } from '../../../src/lib/scale/observation.js';
import { useRedis } from '../../support/redis.js';
import { worker } from '../../unit/doctor/records.js';
import { Operator, openClient } from '../operations/operations-kit.js';
import { PREFIX, QueueKit } from '../queue/queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
let client: InferClient;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  await kit.producer.registerQueue(kit.queue);
  client = await openClient(redis);
});
afterEach(async () => {
  await client.close();
  await kit.close();
  await kit.client.flushall();
});

const SILENT_MS = 9000;

/** Registers the only worker, `silentMs` after its last heartbeat. */
async function register(state: WorkerRecord['state'], silentMs = 0): Promise<void> {
  const beatAt = (await serverNow(kit.client)) - silentMs;
  const models = [{ name: 'm', version: 1, batch: 8 }];
  await beat(kit.client, PREFIX, worker({ state, beatAt, models, queues: [kit.queue] }));
}

async function load(): Promise<void> {
  const beatAt = await serverNow(kit.client);
  await announceStart(kit.client, PREFIX, {
    id: 'w2',
    name: 'beta',
    queues: [kit.queue],
    models: ['m'],
    beatAt,
  });
}

/** Reasons that say that no worker serves a queue. */
const UNSERVED = new Set(['NO_WORKER', 'MODEL_NOT_SERVED', 'DRAINING']);

const LOST = { id: 'lost', startedAt: 1, lockMs: null } as ActiveJob;

/** Whether the queue with the waiting job `id` is served, according to everything that says so. */
async function answers(id: string): Promise<Record<string, boolean>> {
  const { client: reader, queue } = kit;
  const at = await serverNow(reader);
  const limits = { queues: new Shown(MOST_QUEUES), workers: new Shown(MOST_WORKERS) };
  const snapshot = await readSnapshot(reader, PREFIX, at, limits);
  const workers = await listWorkers(reader, PREFIX);
  const starting = await listStarting(reader, PREFIX, at);
  const { queues } = snapshot;
  const problems = findProblems({
    at,
    queues,
    workers,
    starting,
    redis: { label: '', source: '', version: '7', usedMemoryBytes: 1, maxMemoryBytes: 100, policy: '' },
    autoscalers: [],
    lapsed: [],
  }).map(({ code }) => code);
  const gauge = QUEUE_FAMILIES.find(({ name }) => name === 'infer_queue_workers') as ValueFamily;
  const [sample] = gauge.samples({ reading: { snapshot } } as unknown as MetricsView);
  const why = (await new PlaceReader(reader, PREFIX).read(queue, id))?.place.why.code;
  const operator = new Operator(kit);
  const held = judgeLocks([{ ...LOST, queue }], [{ ...LOST, queue }], workers, starting);
  return {
    inspect: !problems.includes('QUEUE_UNSERVED') && !problems.includes('NO_WORKERS'),
    'inspect job': why !== undefined && !UNSERVED.has(why),
    'doctor queue-served': judgeServed(queues, workers, starting).status === 'ok',
    'doctor queue-locks': held.status === 'warn',
    infer_queue_workers: (sample?.[1] ?? 0) > 0,
    'control resume': (await pauseQueue(queue, false).plan(operator.context)).served,
    'control move': (await moveJobs([id], queue).plan(operator.context)).served,
    hasWorker: await client.hasWorker(queue),
    'hasWorker of the model': await client.hasWorker(queue, { model: 'm' }),
  };
}

const CASES: [worker: string, make: () => Promise<void>, served: boolean][] = [
  ['no worker', async () => undefined, false],
  ['a worker that is ready', () => register('ready'), true],
  ['a worker that is starting', () => register('starting'), true],
  ['a worker that drains', () => register('draining'), false],
  ['a silent worker, whose heartbeat has not expired', () => register('ready', SILENT_MS), true],
  ['a silent worker that drains', () => register('draining', SILENT_MS), false],
  ['a worker that is loading its models', load, true],
];

it.each(CASES)('everything agrees on whether %s serves a queue', async (_, make, served) => {
  await make();
  const [id] = (await kit.submit({})) as [string];
  const found = await answers(id);
  expect(found).toEqual(Object.fromEntries(Object.keys(found).map((who) => [who, served])));
});

it('a benchmark and the autoscaler exclude only draining workers', async () => {
  const queues = { single: kit.queue, group: kit.queue };
  for (const state of ['ready', 'starting', 'draining'] as const) {
    await register(state);
    const [record] = (await listWorkers(kit.client, PREFIX)) as [WorkerRecord];
    const serves = state !== 'draining';
    expect(typeof (await findServing(kit.client, PREFIX, queues, undefined)) !== 'string', state).toBe(
      serves,
    );
    expect(phaseOf(record) !== 'draining', state).toBe(serves);
  }
});
