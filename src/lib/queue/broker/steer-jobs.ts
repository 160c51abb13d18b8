import type { InferError, OwnFailure } from '../../core/errors.js';
import { checkTimeLimit, chunkId, printable } from '../../core/job.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { worded } from '../../redis/worded.js';
import { damageOfJob, notRepairable } from '../damage.js';
import {
  type DataLayout,
  LAYOUTS,
  layoutNewer,
  type NewerJobs,
  newerThan,
  newestOf,
  splitRoute,
} from '../layout.js';
import type { QueueScripts } from '../lua/script-client.js';
import { failedPages } from '../read/failed-pages.js';
import { parseJobFilter } from '../read/job-filter.js';
import { queueOfChunk } from '../read/reader.js';
import type { GroupRecord, OwnedGroup } from '../types.js';
import { UNHELD_TTL } from '../wire.js';
import type { Arrivals } from './arrivals.js';
import type { GroupLife } from './group-life.js';

/** Jobs read, requeued and reported together. */
const RETRY_PAGE = 200;
/**
 * Of these requeued per script, which keeps Redis busy for 1.6 ms, and for 6 ms at most (40,000 jobs, two idle cores);
 * 200 took 19 ms, and up to 124 where other processes wanted the cores.
 */
const RETRY_BATCH = 25;
/** Cancelled concurrently: each is a short script of its own. */
const CANCEL_BATCH = 100;

/** Operations on many jobs work page by page. */
export interface Paging {
  /** Stops it between two pages. */
  signal?: AbortSignal | undefined;
  /** Called after each page with the totals so far: jobs checked, and jobs changed. */
  onPage?: ((done: number, changed: number) => void) | undefined;
  /** `retryFailed` only: called before the first change. */
  onBegin?: (() => void) | undefined;
}

/** The outcome of cancelling the chunks of a group. */
export interface CancelledChunks {
  /** Number of chunks by resulting state, including those that had already ended. */
  states: Record<string, number>;
  newer: NewerJobs | undefined;
}

/** Number of requeued jobs, and the failed jobs of a newer layout. */
export interface Requeued {
  retried: number;
  newer: NewerJobs | undefined;
}

/** The reply to a cancel, and whether it changed the job; false if it was sent again after a lost reply. */
interface End {
  state: string;
  changed: boolean;
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
    const { state } = await this.end(queue, id, group);
    if (state === 'newer') throw await this.tooNew(queue, id);
    return state === 'unknown' ? undefined : state;
  }

  /**
   * Cancels jobs, some at a time; returns how many by resulting state: `unknown` for ids without a job,
   * `newer` for jobs of a newer layout that have not ended, which are left alone. If one fails, the jobs sent
   * with it are still passed to `onPage` before the error is thrown.
   */
  async cancelAll(
    jobs: Iterable<{ queue: string; id: string }>,
    paging: Paging,
  ): Promise<Record<string, number>> {
    return (await this.endAll(jobs, paging)).states;
  }

  private async endAll(
    jobs: Iterable<{ queue: string; id: string }>,
    { signal, onPage }: Paging,
    group?: OwnedGroup,
  ): Promise<CancelledChunks> {
    const states: Record<string, number> = {};
    let [done, changed] = [0, 0];
    let first: { queue: string; id: string } | undefined;
    for (const batch of batchesOf(jobs, CANCEL_BATCH)) {
      signal?.throwIfAborted();
      const ends = await Promise.allSettled(batch.map(({ queue, id }) => this.end(queue, id, group)));
      for (const [at, end] of ends.entries()) {
        if (end.status === 'rejected') continue;
        const { state, changed: now } = end.value;
        states[state] = (states[state] ?? 0) + 1;
        if (now) changed += 1;
        if (state === 'newer') first ??= batch[at];
      }
      done += batch.length;
      onPage?.(done, changed);
      const failure = ends.find((end) => end.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
    }
    return { states, newer: await this.newerJobs(states.newer ?? 0, first) };
  }

  private async end(queue: string, id: string, group?: OwnedGroup): Promise<End> {
    const message = 'cancelled on request';
    const failure: OwnFailure = { code: 'CANCELLED', message };
    const scripts = this.scriptsOf(queue);
    const reply = await worded(
      this.client,
      scripts.run('inferCancel', id, JSON.stringify(failure), message, UNHELD_TTL, ...groupArgs(group)),
    );
    const [state, changed] = reply as [string, number];
    return { state, changed: changed === 1 };
  }

  async cancelGroup(group: GroupRecord, groups: GroupLife, paging: Paging): Promise<CancelledChunks> {
    const orphan = await groups.cancel(group.queue, group.id);
    const cancelled = await this.endAll(chunksOf(group), paging, group);
    if (orphan) {
      const { queue, id, rows, jobs } = group;
      await groups.end(queue, id, '', { rows, jobs, missing: cancelled.states.unknown ?? 0 });
    }
    return cancelled;
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

  async retryGroup(group: GroupRecord, timeLimitMs: number | undefined, paging: Paging): Promise<Requeued> {
    if (group.jobs === 1) {
      const only = [chunkId(group.id, 0)];
      const retried = await this.retry(queueOfChunk(group, 0), only, timeLimitMs, group);
      return { retried, newer: undefined };
    }
    let [retried, left] = [0, 0];
    let first: { queue: string; id: string } | undefined;
    for (let from = 0; from < group.jobs; from += RETRY_PAGE) {
      paging.signal?.throwIfAborted();
      const to = Math.min(group.jobs, from + RETRY_PAGE);
      const byQueue = new Map<string, string[]>();
      for (const index of indexes(from, to)) {
        const queue = queueOfChunk(group, index);
        byQueue.set(queue, [...(byQueue.get(queue) ?? []), chunkId(group.id, index)]);
      }
      for (const [queue, ids] of byQueue) {
        const page = await this.retryAll(queue, ids, timeLimitMs, group);
        retried += page.retried;
        left += page.newer.length;
        if (page.newer[0] !== undefined) first ??= { queue, id: page.newer[0] };
      }
      paging.onPage?.(to, retried);
    }
    return { retried, newer: await this.newerJobs(left, first) };
  }

  /** Jobs that fail in the meantime are not included: they ended after this call started. */
  async retryFailed(queue: string, timeLimitMs: number | undefined, paging: Paging): Promise<Requeued> {
    const until = (await serverNow(this.client)) + 1;
    const failed = parseJobFilter({ queue: [queue], state: ['failed'] });
    const { signal, onPage, onBegin } = paging;
    let [looked, retried, left] = [0, 0, 0];
    let first: { queue: string; id: string } | undefined;
    for await (const page of failedPages(this.client, this.prefix, failed, {
      until,
      limit: RETRY_PAGE,
      signal,
    })) {
      const ids = page.map(({ id }) => id);
      if (ids.length > 0) {
        if (looked === 0) onBegin?.();
        const done = await this.retryAll(queue, ids, timeLimitMs);
        retried += done.retried;
        left += done.newer.length;
        if (done.newer[0] !== undefined) first ??= { queue, id: done.newer[0] };
      }
      looked += ids.length;
      onPage?.(looked, retried);
    }
    return { retried, newer: await this.newerJobs(left, first) };
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

  private async newerJobs(
    jobs: number,
    first: { queue: string; id: string } | undefined,
  ): Promise<NewerJobs | undefined> {
    return first && { jobs, layout: await this.layoutOf(first.queue, first.id) };
  }

  private async tooNew(queue: string, id: string): Promise<InferError> {
    return layoutNewer(`job ${printable(id)}`, await this.layoutOf(queue, id));
  }

  private async layoutOf(queue: string, id: string): Promise<DataLayout> {
    const name = await this.client.hget(this.scriptsOf(queue).base + id, 'name');
    const { mark } = splitRoute((name ?? '').replace(/#\d+$/, ''));
    return newerThan(LAYOUTS, mark) ?? newestOf(LAYOUTS);
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
