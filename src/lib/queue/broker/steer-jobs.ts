import type { InferError, OwnFailure } from '../../core/errors.js';
import { checkTimeLimit, chunkId, printable } from '../../core/job.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { worded } from '../../redis/worded.js';
import { damageOfJob, notRepairable } from '../damage.js';
import { LAYOUTS, layoutNewer, newerThan, newestOf, splitRoute } from '../layout.js';
import type { QueueScripts } from '../lua/script-client.js';
import { failedPages } from '../read/failed-pages.js';
import { parseJobFilter } from '../read/job-filter.js';
import { queueOfChunk } from '../read/reader.js';
import type { GroupRecord, OwnedGroup } from '../types.js';
import { UNHELD_TTL } from '../wire.js';
import type { Arrivals } from './arrivals.js';
import type { GroupLife } from './group-life.js';

/** Jobs requeued per script: about 5 ms of Redis time. */
const RETRY_BATCH = 200;
/** Cancelled concurrently: each is a short script of its own. */
const CANCEL_BATCH = 100;

/** Operations on many jobs work page by page. */
export interface Paging {
  /** Stops it between two pages. */
  signal?: AbortSignal | undefined;
  /** Called after each page with the totals so far: jobs looked at, and jobs changed. */
  onPage?: ((done: number, changed: number) => void) | undefined;
}

/** Cancelling and retrying jobs and groups; part of the `Producer`. */
export class JobSteering {
  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    private readonly scriptsOf: (queue: string) => QueueScripts,
    private readonly arrivals: Arrivals,
  ) {}

  /**
   * @param group of which it must be a chunk; another job of this id is left alone, and unknown
   * @throws InferError LAYOUT_NEWER (69) for a job that only a newer release can cancel.
   */
  async cancel(queue: string, id: string, group?: OwnedGroup): Promise<string | undefined> {
    const state = await this.end(queue, id, group);
    if (state === 'newer') throw await this.tooNew(queue, id);
    return state;
  }

  /**
   * Cancels jobs, some at a time; returns how many by resulting state: `unknown` for ids without a job,
   * `newer` for jobs of a newer layout, which are left alone. If one fails, the jobs sent with it still count
   * in `onPage`, and then the failure is thrown.
   */
  async cancelAll(
    jobs: Iterable<{ queue: string; id: string }>,
    { signal, onPage }: Paging,
    group?: OwnedGroup,
  ): Promise<Record<string, number>> {
    const states: Record<string, number> = {};
    let done = 0;
    for (const batch of batchesOf(jobs, CANCEL_BATCH)) {
      signal?.throwIfAborted();
      const ends = await Promise.allSettled(batch.map(({ queue, id }) => this.end(queue, id, group)));
      for (const end of ends) {
        if (end.status === 'rejected') continue;
        const state = end.value ?? 'unknown';
        states[state] = (states[state] ?? 0) + 1;
      }
      done += batch.length;
      onPage?.(done, (states.cancelled ?? 0) + (states.active ?? 0));
      const failure = ends.find((end) => end.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
    }
    return states;
  }

  private async end(queue: string, id: string, group?: OwnedGroup): Promise<string | undefined> {
    const message = 'cancelled on request';
    const failure: OwnFailure = { code: 'CANCELLED', message };
    const scripts = this.scriptsOf(queue);
    const state = await worded(
      this.client,
      scripts.run('inferCancel', id, JSON.stringify(failure), message, UNHELD_TTL, ...groupArgs(group)),
    );
    return typeof state === 'string' ? state : undefined;
  }

  async cancelGroup(group: GroupRecord, groups: GroupLife, paging: Paging): Promise<Record<string, number>> {
    const orphan = await groups.cancel(group.queue, group.id);
    const states = await this.cancelAll(chunksOf(group), paging, group);
    if (orphan) {
      const { queue, id, rows, jobs } = group;
      await groups.end(queue, id, '', { rows, jobs, missing: states.unknown ?? 0 });
    }
    return states;
  }

  async retry(
    queue: string,
    ids: readonly string[],
    timeLimitMs?: number,
    group?: OwnedGroup,
  ): Promise<number> {
    const { retried, damaged, newer } = await this.retryAll(queue, ids, timeLimitMs, group);
    const [id] = damaged;
    if (id !== undefined && ids.length === 1) throw await this.beyondRepair(queue, id);
    if (newer[0] !== undefined && ids.length === 1) throw await this.tooNew(queue, newer[0]);
    return retried;
  }

  async retryGroup(group: GroupRecord, timeLimitMs: number | undefined, paging: Paging): Promise<number> {
    if (group.jobs === 1)
      return this.retry(queueOfChunk(group, 0), [chunkId(group.id, 0)], timeLimitMs, group);
    let retried = 0;
    for (let from = 0; from < group.jobs; from += RETRY_BATCH) {
      paging.signal?.throwIfAborted();
      const to = Math.min(group.jobs, from + RETRY_BATCH);
      const byQueue = new Map<string, string[]>();
      for (const index of indexes(from, to)) {
        const queue = queueOfChunk(group, index);
        byQueue.set(queue, [...(byQueue.get(queue) ?? []), chunkId(group.id, index)]);
      }
      for (const [queue, ids] of byQueue) {
        retried += (await this.retryAll(queue, ids, timeLimitMs, group)).retried;
      }
      paging.onPage?.(to, retried);
    }
    return retried;
  }

  /** Jobs that fail meanwhile are not met again: they ended after this call started. */
  async retryFailed(queue: string, timeLimitMs: number | undefined, paging: Paging): Promise<number> {
    const until = (await serverNow(this.client)) + 1;
    const failed = parseJobFilter({ queue: [queue], state: ['failed'] });
    const { signal, onPage } = paging;
    let [looked, retried] = [0, 0];
    for await (const page of failedPages(this.client, this.prefix, failed, {
      until,
      limit: RETRY_BATCH,
      signal,
    })) {
      const ids = page.map(({ id }) => id);
      if (ids.length > 0) retried += (await this.retryAll(queue, ids, timeLimitMs)).retried;
      looked += ids.length;
      onPage?.(looked, retried);
    }
    return retried;
  }

  /**
   * Requeues the failed ones among these, and returns those that are damaged beyond repair and those of a
   * newer layout.
   * @param group of which they must be chunks; other jobs of these ids are left alone
   */
  async retryAll(
    queue: string,
    ids: readonly string[],
    timeLimitMs?: number,
    group?: OwnedGroup,
  ): Promise<{ retried: number; damaged: string[]; newer: string[] }> {
    const limit = timeLimitMs === undefined ? '' : checkTimeLimit(timeLimitMs);
    const damaged: string[] = [];
    const newer: string[] = [];
    let retried = 0;
    for (let from = 0; from < ids.length; from += RETRY_BATCH) {
      const batch = ids.slice(from, from + RETRY_BATCH);
      const reply = (await this.scriptsOf(queue).run(
        'inferRetry',
        limit,
        ...groupArgs(group),
        ...batch,
      )) as number[];
      retried += reply.filter((one) => one === 1).length;
      damaged.push(...batch.filter((_, i) => reply[i] === -2));
      newer.push(...batch.filter((_, i) => reply[i] === -3));
    }
    this.arrivals.add(queue, retried);
    return { retried, damaged, newer };
  }

  private async tooNew(queue: string, id: string): Promise<InferError> {
    const name = await this.client.hget(this.scriptsOf(queue).base + id, 'name');
    const { mark } = splitRoute((name ?? '').replace(/#\d+$/, ''));
    return layoutNewer(`job ${printable(id)}`, newerThan(LAYOUTS, mark) ?? newestOf(LAYOUTS));
  }

  private async beyondRepair(queue: string, id: string): Promise<InferError> {
    const known = await damageOfJob(this.client, this.prefix, queue, id);
    return notRepairable(id, known?.what ?? 'its record cannot be read');
  }
}

/** The arguments of a script that say of which group jobs must be chunks. */
export function groupArgs(group: OwnedGroup | undefined): [id: string, owner: string] {
  return [group?.id ?? '', group?.owner ?? ''];
}

function* chunksOf(group: GroupRecord): Generator<{ queue: string; id: string }> {
  for (let index = 0; index < group.jobs; index++) {
    yield { queue: queueOfChunk(group, index), id: chunkId(group.id, index) };
  }
}

function* batchesOf<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

const indexes = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);
