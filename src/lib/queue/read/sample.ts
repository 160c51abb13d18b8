import type { RedisClient } from '../../redis/types.js';
import { ifReadable, numberOr } from '../../redis/wrong-type.js';
import { bullBase, queueTag, STATS_BUCKET_MS, STATS_BUCKETS, statsKey } from '../keys.js';
import { listWorkers } from '../registry.js';
import { countFiled } from '../routes.js';
import type { WorkerRecord } from '../types.js';
import { DELAYED_UNIT, STATS } from '../wire.js';
import { heldAhead, oldestOf, type Unmatched, waitingHeads } from './inspector.js';

/** One queue as an autoscaler reads it. */
export interface QueueSample {
  name?: string;
  /** Among the waiting jobs, those that a worker without their model has met. */
  unmatched?: Unmatched;
  /** Includes jobs that a worker holds but has not started. */
  waiting: number;
  /** Delayed jobs that are due within the horizon. */
  dueDelayed: number;
  active: number;
  /** Age of the oldest waiting job, ms; null when none is waiting. */
  oldestMs: number | null;
  /** Number of jobs ever added; null if unknown for the jobs that count here. */
  arrived: number | null;
  /** Jobs ended in each statistics bucket of the last minute, by its number. */
  ended: ReadonlyMap<number, number>;
  paused: boolean;
}

export interface PoolSample {
  queues: QueueSample[];
  /** Workers that serve at least one of the queues, according to their heartbeats. */
  workers: WorkerRecord[];
}

/**
 * A snapshot of queues and their workers: some thirty read-only commands per queue, in one pipeline, whatever
 * its length.
 * @param horizonMs delayed jobs due within this time are counted.
 */
export async function samplePool(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
  now: number,
  horizonMs: number,
): Promise<PoolSample> {
  const [samples, workers] = await Promise.all([
    Promise.all(queues.map((queue) => sampleQueue(client, prefix, queue, now, horizonMs))),
    listWorkers(client, prefix),
  ]);
  for (const [i, sample] of samples.entries()) {
    // Jobs that a worker holds but has not started are backlog: one more worker would have taken them.
    const { jobs } = heldAhead(queues[i] as string, sample.active, workers);
    sample.waiting += jobs;
    sample.active -= jobs;
  }
  return {
    queues: samples,
    workers: workers.filter((worker) => worker.queues.some((queue) => queues.includes(queue))),
  };
}

async function sampleQueue(
  client: RedisClient,
  prefix: string,
  queue: string,
  now: number,
  horizonMs: number,
): Promise<QueueSample> {
  const base = bullBase(prefix, queue);
  const tag = queueTag(prefix, queue);
  // One ahead, since a worker's clock may be ahead.
  const newest = Math.floor(now / STATS_BUCKET_MS) + 1;
  const numbers = Array.from({ length: STATS_BUCKETS + 1 }, (_, at) => newest - at);
  const [wait, prioritized, filed, dueDelayed, active, heads, added, paused, ended] = await Promise.all([
    ifReadable(client.llen(`${base}wait`), 0),
    ifReadable(client.zcard(`${base}prioritized`), 0),
    countFiled(client, prefix, queue),
    ifReadable(client.zcount(`${base}delayed`, '-inf', (now + horizonMs) * DELAYED_UNIT), 0),
    ifReadable(client.llen(`${base}active`), 0),
    waitingHeads(client, base),
    ifReadable(client.get(`${base}id`), null),
    ifReadable(client.hexists(`${base}meta`, 'paused'), 0),
    Promise.all(
      numbers.map((number) =>
        ifReadable(client.hmget(statsKey(tag, number), STATS.completed, STATS.failed), []),
      ),
    ),
  ]);
  const oldest = oldestOf(heads);
  return {
    name: queue,
    unmatched: Object.fromEntries(filed),
    waiting: wait + prioritized,
    dueDelayed,
    active,
    oldestMs: oldest === undefined ? null : Math.max(0, now - oldest),
    arrived: numberOr(added, 0),
    ended: new Map(numbers.map((number, at) => [number, sum(ended[at] ?? [])])),
    paused: paused === 1,
  };
}

function sum(counts: readonly (string | null)[]): number {
  return counts.reduce((total, count) => total + numberOr(count, 0), 0);
}
