import { MAX_PRIORITY, toBullPriority } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable, numberOr } from '../../redis/wrong-type.js';
import {
  bullBase,
  cancelledKey,
  expiredKey,
  queueTag,
  STATS_BUCKET_MS,
  STATS_BUCKETS,
  statsKey,
} from '../keys.js';
import type { DataLayout } from '../layout.js';
import { PastBuckets } from '../past-buckets.js';
import { listWorkers } from '../registry.js';
import { countFiled, newerRoute, newestNeeded, routeOfName } from '../routes.js';
import type { WorkerRecord } from '../types.js';
import { PRIORITY_STEP, STATS } from '../wire.js';
import { countPriorities } from './count-priorities.js';
import { listQueues } from './reader.js';

/** How fast a queue fills and empties. */
export interface QueueFlow {
  /** Jobs ended per second over the last minute; null when none ended. */
  ratePerSecond: number | null;
  /** Jobs added per second over the last minute; null when none were added. */
  arrivalsPerSecond: number | null;
  /**
   * Milliseconds until the waiting jobs are done, at that rate less the arrivals (over the last 10 to 20
   * seconds, since a bulk submission soon ends); null when unknown, or when the backlog will not drain.
   */
  etaMs: number | null;
  /** More jobs arrive than end, and more than a second's work is waiting. */
  growing: boolean;
}

/**
 * Waiting jobs that a worker without their model has met, by `model` or `model@version`; empty when workers
 * serve all models.
 */
export type Unmatched = Readonly<Record<string, number>>;

interface QueueCounts {
  /** Includes jobs that a worker holds but has not started, according to its last heartbeat. */
  waiting: number;
  delayed: number;
  /** Jobs in a run, or between two of their runs. */
  active: number;
  completed: number;
  failed: number;
  expired: number;
  cancelled: number;
  paused: boolean;
  /** Waiting jobs by priority, index = priority 0..9. */
  byPriority: number[];
  /** Age of the longest-waiting job in ms; undefined when none is waiting. */
  oldestMs: number | undefined;
  /** The newest layout among the next jobs of each priority that this release cannot read, if any. */
  newer?: DataLayout;
}

export interface QueueSnapshot extends QueueCounts, QueueFlow {
  name: string;
  unmatched: Unmatched;
}

/** What a reader of the same queue remembers, so that the next snapshot needs fewer commands. */
export class QueueMemory {
  /** Completed, failed and added jobs. */
  readonly counts = new PastBuckets<(string | null)[]>();
  /** Jobs that waited with a priority at the last snapshot. */
  prioritized: number | undefined;
  /** The next job of each priority: as long as the oldest of them waits, none has waited longer. */
  heads: readonly WaitingHead[] = [];
}

/**
 * A snapshot of one queue: read-only commands, their number independent of its length. Jobs that BullMQ holds
 * without a priority (its `wait` list, added by other code) count as waiting at 9. A key of another type
 * counts as empty; `readDamage` reports it.
 * @param workers their heartbeats, if already read.
 * @param memory of the same reader: about a third of the commands, in up to three round trips instead of two
 */
export async function snapshotQueue(
  client: RedisClient,
  prefix: string,
  name: string,
  now: number,
  workers?: readonly WorkerRecord[],
  memory?: QueueMemory,
): Promise<QueueSnapshot> {
  const base = bullBase(prefix, name);
  const tag = queueTag(prefix, name);
  const counted = (at: number) =>
    ifReadable(client.hmget(statsKey(tag, at), STATS.completed, STATS.failed, STATS.added), []);
  const [
    wait,
    taken,
    delayed,
    completed,
    failed,
    expired,
    cancelled,
    paused,
    [byPriority, firstHeads],
    filed,
    minute,
    live,
  ] = await Promise.all([
    ifReadable(client.llen(`${base}wait`), 0),
    ifReadable(client.llen(`${base}active`), 0),
    ifReadable(client.zcard(`${base}delayed`), 0),
    ifReadable(client.zcard(`${base}completed`), 0),
    ifReadable(client.zcard(`${base}failed`), 0),
    ifReadable(client.zcard(expiredKey(tag)), 0),
    ifReadable(client.zcard(cancelledKey(tag)), 0),
    ifReadable(client.hexists(`${base}meta`, 'paused'), 0),
    memory === undefined
      ? Promise.all([countPriorities(client, base), waitingHeads(client, base)])
      : countRemembered(client, base, memory),
    countFiled(client, prefix, name),
    (memory?.counts ?? new PastBuckets()).last(now, STATS_BUCKETS, counted),
    workers ?? listWorkers(client, prefix),
  ]);
  const heads =
    memory === undefined
      ? (firstHeads ?? [])
      : await rememberedHeads(client, base, { wait, byPriority }, memory);
  byPriority[MAX_PRIORITY] = (byPriority[MAX_PRIORITY] as number) + wait;
  const ahead = heldAhead(name, taken, live);
  for (const [priority, jobs] of ahead.byPriority.entries())
    byPriority[priority] = (byPriority[priority] as number) + jobs;
  const active = taken - ahead.jobs;
  const waiting = byPriority.reduce((sum, count) => sum + count, 0);
  const oldest = oldestOf(heads);
  const newer = newestNeeded(heads.map(({ route }) => newerRoute(route)?.layout));
  return {
    name,
    waiting,
    active,
    delayed,
    completed,
    failed,
    expired,
    cancelled,
    paused: paused === 1,
    byPriority,
    oldestMs: oldest === undefined ? undefined : Math.max(0, now - oldest),
    unmatched: Object.fromEntries(filed),
    ...(newer === undefined ? {} : { newer }),
    ...flowOf(
      waiting,
      minute.map(([c, f, a]) => ({ ended: numberOr(c, 0) + numberOr(f, 0), added: numberOr(a, 0) })),
      now % STATS_BUCKET_MS,
    ),
  };
}

/** The same with one command for a queue that was empty and still is. */
async function countRemembered(
  client: RedisClient,
  base: string,
  memory: QueueMemory,
): Promise<[number[], undefined]> {
  const mayBeEmpty = (memory.prioritized ?? 0) === 0;
  const known = mayBeEmpty ? await ifReadable(client.zcard(`${base}prioritized`), 0) : 1;
  const counts =
    known > 0 ? await countPriorities(client, base) : Array.from({ length: MAX_PRIORITY + 1 }, () => 0);
  memory.prioritized = counts.reduce((sum, jobs) => sum + jobs, 0);
  return [counts, undefined];
}

/**
 * Among the jobs of a queue that workers hold, those that have not started, according to the heartbeats: they
 * count as waiting, although no other worker can take them. Pure.
 * @param taken number of jobs held; heartbeats may be a second old.
 */
export function heldAhead(
  queue: string,
  taken: number,
  workers: readonly Pick<WorkerRecord, 'notStarted'>[],
): { jobs: number; byPriority: number[] } {
  let left = taken;
  const byPriority = Array.from({ length: MAX_PRIORITY + 1 }, () => 0);
  for (let priority = MAX_PRIORITY; priority >= 0; priority--) {
    const held = workers.reduce((sum, { notStarted }) => sum + (notStarted?.[queue]?.[priority] ?? 0), 0);
    byPriority[priority] = Math.min(held, left);
    left -= byPriority[priority] as number;
  }
  return { jobs: taken - left, byPriority };
}

/**
 * Rates and the time to drain, from the last minute's buckets, newest first. Pure.
 * @param partMs how much of the newest bucket has elapsed.
 */
export function flowOf(
  waiting: number,
  minute: readonly { ended: number; added: number }[],
  partMs: number,
): QueueFlow {
  const ended = perSecond(
    minute.map((bucket) => bucket.ended),
    partMs,
  );
  const added = minute.map((bucket) => bucket.added);
  const recently = perSecond(added.slice(0, 2), partMs) ?? 0;
  const flow = { ratePerSecond: ended, arrivalsPerSecond: perSecond(added, partMs) };
  if (ended === null || waiting === 0) return { ...flow, etaMs: null, growing: false };
  // Less than a second's work is not a backlog: it is being processed.
  if (waiting <= ended) return { ...flow, etaMs: (waiting / ended) * 1000, growing: false };
  const growing = recently >= ended;
  return { ...flow, etaMs: growing ? null : (waiting / (ended - recently)) * 1000, growing };
}

/**
 * Averaged over the whole time, or since the bucket with the first event: otherwise a queue that has just
 * started would seem slow. Null when there were none.
 */
function perSecond(buckets: readonly number[], partMs: number): number | null {
  const first = buckets.findLastIndex((count) => count > 0);
  if (first < 0) return null;
  const seconds = (first * STATS_BUCKET_MS + partMs) / 1000;
  return buckets.reduce((sum, count) => sum + count, 0) / Math.max(1, seconds);
}

/** Where jobs wait, and how many. */
interface Places {
  wait: number;
  byPriority: readonly number[];
}

/** The next job of a priority: when it was submitted, and its route ('' for a job of other code). */
export interface WaitingHead {
  id: string;
  /** Milliseconds since the epoch. */
  at: number | undefined;
  route: string;
}

/** The heads of the last time with one command, as long as the job that was the oldest still waits. */
async function rememberedHeads(
  client: RedisClient,
  base: string,
  places: Places,
  memory: QueueMemory,
): Promise<readonly WaitingHead[]> {
  const at = oldestOf(memory.heads);
  const oldest = memory.heads.find((head) => head.at === at);
  if (places.wait === 0 && at !== undefined && oldest !== undefined) {
    const score = await ifReadable(client.zscore(`${base}prioritized`, oldest.id), null);
    if (score !== null) return memory.heads;
  }
  memory.heads = await waitingHeads(client, base, places);
  return memory.heads;
}

/** Submit time of the oldest waiting job, ms since the epoch. */
export async function oldestWaiting(client: RedisClient, base: string): Promise<number | undefined> {
  return oldestOf(await waitingHeads(client, base));
}

/**
 * The next job of each priority, and of those that BullMQ holds without one.
 * @param among only the heads of places in which jobs wait are read
 */
export async function waitingHeads(
  client: RedisClient,
  base: string,
  among?: Places,
): Promise<WaitingHead[]> {
  const heads = await Promise.all([
    among?.wait === 0
      ? []
      : ifReadable(client.lindex(`${base}wait`, -1), null).then((id) => (id === null ? [] : [id])),
    ...Array.from({ length: MAX_PRIORITY + 1 }, (_, priority) => {
      if (among?.byPriority[priority] === 0) return [];
      const from = toBullPriority(priority) * PRIORITY_STEP;
      const to = from + PRIORITY_STEP - 1;
      return ifReadable(client.zrangebyscore(`${base}prioritized`, from, to, 'LIMIT', 0, 1), []);
    }),
  ]);
  const ids = heads.flat();
  const found = await Promise.all(
    ids.map((id) => ifReadable(client.hmget(base + id, 'timestamp', 'name'), [])),
  );
  return found.map(([time, name], i) => ({
    id: ids[i] as string,
    at: numberOr(time, undefined),
    route: routeOfName(name ?? ''),
  }));
}

/**
 * Submit time of the oldest waiting job. Within a priority the order is first in, first out, so it is the
 * oldest of the first jobs of each priority. Pure.
 */
export function oldestOf(heads: readonly WaitingHead[]): number | undefined {
  const known = heads.map(({ at }) => at).filter((at) => at !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** All queues that ever received a job, or only the given ones. */
export async function snapshotQueues(
  client: RedisClient,
  prefix: string,
  now: number,
  only?: readonly string[],
  workers?: readonly WorkerRecord[],
): Promise<QueueSnapshot[]> {
  const [names, live] = await Promise.all([
    only ?? listQueues(client, prefix),
    workers ?? listWorkers(client, prefix),
  ]);
  return Promise.all(names.map((name) => snapshotQueue(client, prefix, name, now, live)));
}
