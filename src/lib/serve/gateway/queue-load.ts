import { MAX_PRIORITY, type Priority, toBullPriority } from '../../core/job.js';
import { bullBase, STATS_BUCKET_MS } from '../../queue/keys.js';
import { type QueueSample, samplePool } from '../../queue/read/sample.js';
import { PRIORITY_STEP } from '../../queue/wire.js';
import { bucketAt } from '../../queue/work-stats.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { worded } from '../../redis/worded.js';
import { ifReadable } from '../../redis/wrong-type.js';

/** Load of a queue, as far as known. */
export interface QueueLoad {
  /** Waiting jobs of all priorities. */
  readonly waiting: number;
  /** How many of them go before a new job of each priority, by priority 0 to 9. */
  readonly ahead: readonly number[];
  /** Jobs per second: the highest rate at which jobs ended within the last minute; 0 if none ended. */
  readonly ratePerSecond: number;
  /** Whether jobs have waited longer than workers need to notice them. */
  readonly backlog: boolean;
}

/** A count of waiting jobs is reused for this long; jobs admitted meanwhile are added to it. */
const COUNT_MS = 100;
/** A limit reached only by jobs admitted since the count is checked again after this time: some have started. */
const AGAIN_MS = 10;
/** A place whose job is neither reported as submitted nor as given up counts for this long only. */
const PENDING_MS = 15_000;
/** Rates change more slowly. */
const LOAD_MS = 1000;
/**
 * If the oldest job is younger than this, the queue keeps up, however low its rate was while few jobs
 * arrived.
 */
const BACKLOG_MS = 1000;
/** Callers may name queues that do not exist: the oldest readings are discarded. */
const MOST_QUEUES = 256;

/** Waiting jobs of a queue. */
interface Count {
  /** When they were counted. */
  readonly at: number;
  readonly counted: number;
  /** With those that were let in since. */
  waiting: number;
}

interface Look<T> {
  at: number;
  found: Promise<T>;
}

/** Reads queues for a gateway, which asks often: one reading at a time for each queue, reused briefly. */
export class QueueLoads {
  private readonly counts = new Map<string, Look<Count>>();
  private readonly loads = new Map<string, Look<QueueLoad>>();
  /** Places whose jobs may not be in Redis yet, by queue. */
  private readonly pending = new Map<string, Set<{ at: number }>>();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /**
   * Takes one of `most` places for waiting jobs of a queue, if one is free. Nothing is awaited between the check
   * and the increment, since other callers wait for the same count.
   * @returns reports that its job is in Redis, or that there will be none; undefined: no place is free
   * @throws InferError REDIS_…
   */
  async takePlace(queue: string, most: number): Promise<(() => void) | undefined> {
    let count = await this.countOf(queue, COUNT_MS);
    const byAdded = count.waiting >= most && count.counted < most;
    if (byAdded && performance.now() - count.at >= AGAIN_MS) count = await this.countOf(queue, AGAIN_MS);
    if (count.waiting >= most) return undefined;
    count.waiting += 1;
    const places = this.pending.get(queue) ?? new Set();
    this.pending.set(queue, places);
    const place = { at: performance.now() };
    places.add(place);
    return () => {
      places.delete(place);
      if (places.size === 0 && this.pending.get(queue) === places) this.pending.delete(queue);
    };
  }

  /** @throws InferError REDIS_… */
  load(queue: string): Promise<QueueLoad> {
    return looked(this.loads, queue, LOAD_MS, () => worded(this.client, this.readLoad(queue)));
  }

  private countOf(queue: string, freshMs: number): Promise<Count> {
    return looked(this.counts, queue, freshMs, () => worded(this.client, this.readCount(queue)));
  }

  private async readCount(queue: string): Promise<Count> {
    const base = bullBase(this.prefix, queue);
    const [wait, prioritized] = await Promise.all([
      ifReadable(this.client.llen(`${base}wait`), 0),
      ifReadable(this.client.zcard(`${base}prioritized`), 0),
    ]);
    const counted = wait + prioritized;
    return { at: performance.now(), counted, waiting: counted + this.pendingIn(queue) };
  }

  /** Places whose jobs the count may have missed. */
  private pendingIn(queue: string): number {
    const places = this.pending.get(queue);
    if (places === undefined) return 0;
    const oldest = performance.now() - PENDING_MS;
    for (const place of places) if (place.at < oldest) places.delete(place);
    return places.size;
  }

  private async readLoad(queue: string): Promise<QueueLoad> {
    const { client, prefix } = this;
    const now = await serverNow(client);
    const base = bullBase(prefix, queue);
    const [{ queues }, ...ahead] = await Promise.all([
      samplePool(client, prefix, [queue], now, 0),
      ...Array.from({ length: MAX_PRIORITY + 1 }, (_, priority) =>
        ifReadable(client.zcount(`${base}prioritized`, '-inf', endOf(priority)), 0),
      ),
    ]);
    const sample = queues[0] as QueueSample;
    return {
      waiting: sample.waiting,
      ahead,
      ratePerSecond: bestRate(sample.ended, now),
      backlog: !sample.paused && (sample.oldestMs ?? 0) >= BACKLOG_MS,
    };
  }
}

/**
 * Predicted wait of a new job in ms; undefined if unknown: the queue keeps up, is paused, or nothing ended in
 * the last minute. Pure.
 */
export function predictedWait(load: QueueLoad, priority: Priority = 0): number | undefined {
  if (!load.backlog || load.ratePerSecond === 0) return undefined;
  return ((load.ahead[priority] ?? load.waiting) / load.ratePerSecond) * 1000;
}

/** Milliseconds until all waiting jobs are done; undefined if unknown. Pure. */
export function drainTime({ waiting, ratePerSecond }: QueueLoad): number | undefined {
  return ratePerSecond === 0 ? undefined : (waiting / ratePerSecond) * 1000;
}

/**
 * Jobs per second in the part of the last minute in which most jobs ended: the workers can do at least that.
 * The mean would be too low if few jobs arrived.
 * @param ended jobs in each ten seconds
 */
function bestRate(ended: ReadonlyMap<number, number>, now: number): number {
  const newest = bucketAt(now);
  const part = Math.max(1, (now % STATS_BUCKET_MS) / 1000);
  let jobs = (ended.get(newest + 1) ?? 0) + (ended.get(newest) ?? 0);
  let best = jobs / part;
  for (let back = 1; ended.has(newest - back); back++) {
    jobs += ended.get(newest - back) ?? 0;
    best = Math.max(best, jobs / (part + (back * STATS_BUCKET_MS) / 1000));
  }
  return best;
}

/** Score of the last place that a job of this priority can have. */
function endOf(priority: Priority): number {
  return (toBullPriority(priority) + 1) * PRIORITY_STEP - 1;
}

function looked<T>(
  looks: Map<string, Look<T>>,
  key: string,
  freshMs: number,
  read: () => Promise<T>,
): Promise<T> {
  const known = looks.get(key);
  if (known !== undefined && performance.now() - known.at < freshMs) return known.found;
  const look: Look<T> = { at: performance.now(), found: read() };
  // After a failure the next caller reads again.
  look.found.catch(() => looks.get(key) === look && looks.delete(key));
  looks.delete(key);
  looks.set(key, look);
  for (const oldest of looks.keys()) if (looks.size > MOST_QUEUES) looks.delete(oldest);
  return look.found;
}
