import type { JobResult } from '../client/types.js';
import { chunkId, newId } from '../core/job.js';
import { pollUntil } from '../core/poll.js';
import type { Payload } from '../model/tensor.js';
import { Producer } from '../queue/broker/producer.js';
import { readJob } from '../queue/read/reader.js';
import { listWorkers } from '../queue/registry.js';
import { serverClock } from '../redis/server-clock.js';
import { chunksOf, type RowPool } from './rows.js';
import { BENCH_RESULT_TTL_S, type Setup } from './setup.js';
import type { Backlog, Outcome, Target, Work } from './target.js';

const URGENT = 9;
/** Maximum wait for anything: a worker that has exited must not hang the bench. */
const ANSWER_WITHIN_MS = 120_000;
/** Concurrent submits, and concurrent reads of records. */
const UNDER_WAY = 256;
/** Workers beat every second. */
const BEAT_WITHIN_MS = 2500;
const LOOK_MS = 50;

/** The load generator's access to a real setup, through the same client that programs use. */
export class ClientTarget implements Target {
  readonly hold: Target['hold'];
  /** Jobs that may be left behind if stopped half way. */
  private readonly unended = new Set<string>();
  private readonly groups = new Set<string>();
  private queueing: Promise<unknown> | undefined;
  private stopped = false;

  constructor(
    private readonly setup: Setup,
    private readonly pool: RowPool,
  ) {
    // If others use the queues, nothing may be held up.
    this.hold = setup.isPrivate ? () => this.pause() : undefined;
  }

  async run(row: number, urgent: boolean): Promise<Outcome> {
    const { client, signature, queues } = this.setup;
    const id = newId('j');
    this.throwIfStopped();
    this.unended.add(id);
    const started = performance.now();
    const result = await client.runPayload(this.single(row), signature, {
      id,
      queue: queues.single,
      priority: urgent ? URGENT : 0,
      timeoutMs: ANSWER_WITHIN_MS,
    });
    this.unended.delete(id);
    return outcomeOf(result, performance.now() - started);
  }

  queueRows(kind: 'singles' | 'group', rows: number): Promise<Backlog> {
    const queued = kind === 'singles' ? this.queueSingles(rows) : this.queueGroup(rows);
    this.queueing = queued;
    return queued;
  }

  async work(): Promise<Work | undefined> {
    const { client, prefix, workers } = this.setup;
    const clock = serverClock(client.redis);
    const asked = clock.now();
    const ids = new Set(workers.map((worker) => worker.id));
    const look = async () => {
      const records = (await listWorkers(client.redis, prefix)).filter(({ id }) => ids.has(id));
      if (records.length < ids.size && !this.setup.isPrivate) return { work: undefined };
      if (records.length < ids.size || records.some((record) => record.beatAt <= asked)) return undefined;
      const sum = (field: 'rowsDone' | 'batches') => records.reduce((all, one) => all + one[field], 0);
      return { work: { rows: sum('rowsDone'), batches: sum('batches') } };
    };
    const limits = { everyMs: LOOK_MS, timeoutMs: BEAT_WITHIN_MS };
    return (await pollUntil(look, limits, () => ({ work: undefined }))).work;
  }

  /** Cancels the jobs still waiting; a setup in use must not do work whose results are not read. */
  async abandon(): Promise<void> {
    this.stopped = true;
    if (this.setup.isPrivate) return;
    // Jobs being sent must have arrived before they can be cancelled.
    await this.queueing?.catch(() => undefined);
    const ids = [...this.groups, ...this.unended];
    await inTurns(ids.length, async (at) => {
      await this.setup.client.cancel(ids[at] as string).catch(() => undefined);
    });
  }

  private throwIfStopped(): void {
    if (this.stopped) throw new Error('the bench was stopped');
  }

  private single(row: number): Payload {
    const { singles } = this.pool;
    return singles[row % singles.length] as Payload;
  }

  private async queueSingles(rows: number): Promise<Backlog> {
    const { client, signature, queues } = this.setup;
    const ids = Array.from({ length: rows }, () => newId('j'));
    await inTurns(rows, async (at) => {
      this.throwIfStopped();
      const options = { id: ids[at] as string, queue: queues.single, resultTtl: BENCH_RESULT_TTL_S };
      this.unended.add(options.id);
      await client.submitPayload(this.single(at), signature, options);
    });
    // All have the same priority, so the last is among the last to end.
    const ended = client.wait(ids.at(-1) as string).then(() => undefined);
    return { jobs: rows, ended, outcomes: () => this.outcomesOf(queues.single, ids) };
  }

  private async queueGroup(rows: number): Promise<Backlog> {
    const { client, signature, queues } = this.setup;
    const id = newId('g');
    this.groups.add(id);
    const writer = await client.openGroup(signature, { id, queue: queues.group, priority: 0 });
    try {
      for (const chunk of chunksOf(this.pool, rows)) {
        this.throwIfStopped();
        await writer.write(chunk);
      }
    } catch (error) {
      await writer.abandon().catch(() => undefined);
      throw error;
    }
    const { jobs } = await writer.close();
    const ids = Array.from({ length: jobs }, (_, index) => chunkId(id, index));
    const ended = client.waitGroup(id).then(() => {
      this.groups.delete(id);
    });
    return { jobs, ended, outcomes: () => this.outcomesOf(queues.group, ids) };
  }

  /** Read from the jobs' records at the end, so that reading does not disturb the load. */
  private async outcomesOf(queue: string, ids: readonly string[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    await inTurns(ids.length, async (at) => {
      const id = ids[at] as string;
      outcomes[at] = await this.outcomeOfRecord(queue, id);
      this.unended.delete(id);
    });
    return outcomes;
  }

  private async outcomeOfRecord(queue: string, id: string): Promise<Outcome> {
    const { client, prefix } = this.setup;
    const record = await readJob(client.redis, prefix, queue, id);
    if (record?.meta === undefined) {
      if (record !== undefined && record.finishedAt === undefined) {
        const late = await client.wait(id, { timeoutMs: ANSWER_WITHIN_MS });
        return outcomeOf(late, late.timing?.totalMs ?? 0);
      }
      return { ok: false, error: record?.failure?.code ?? 'LOST', queueMs: 0, runMs: 0, totalMs: 0 };
    }
    const { queueMs, runMs, totalMs } = record.meta;
    const ok = record.state === 'completed';
    const error = ok ? {} : { error: record.failure?.code ?? record.state };
    return { ok, ...error, queueMs, runMs: runMs ?? 0, totalMs, queuedAt: record.submittedAt };
  }

  private async pause(): Promise<() => Promise<void>> {
    const { client, prefix, queues } = this.setup;
    const producer = new Producer(client.redis, prefix, serverClock(client.redis));
    const names = [...new Set([queues.single, queues.group])];
    await Promise.all(names.map((name) => producer.setPaused(name, true)));
    return async () => {
      await Promise.all(names.map((name) => producer.setPaused(name, false)));
      await producer.close();
    };
  }
}

function outcomeOf(result: JobResult, totalMs: number): Outcome {
  const ok = result.state === 'completed';
  const queueMs = result.timing?.queueMs ?? 0;
  const runMs = result.timing?.runMs ?? 0;
  return { ok, ...(ok ? {} : { error: result.error?.code ?? result.state }), queueMs, runMs, totalMs };
}

/** Does something `count` times, a few hundred of them concurrently. */
async function inTurns(count: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(UNDER_WAY, count) }, lane));
}
