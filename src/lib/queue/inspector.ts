import { MAX_PRIORITY, toBullPriority } from '../core/job.js';
import type { RedisClient } from '../redis/types.js';
import type { QueueCounts } from './broker.js';
import { bullBase, queueTag, STATS_BUCKET_MS, STATS_BUCKETS, statsKey } from './keys.js';
import { listQueues } from './reader.js';

export interface QueueSnapshot extends QueueCounts {
  name: string;
  /** Jobs ended a second over the last minute; null when none ended. */
  ratePerSecond: number | null;
  /** Milliseconds until the waiting jobs are done at that rate; null when it cannot be told. */
  etaMs: number | null;
}

/** BullMQ's sorted-set score of a priority starts here; the next priority's starts 2^32 later. */
const PRIORITY_STEP = 2 ** 32;

/**
 * One queue as it stands: read-only commands, all sent together, whatever its length. Jobs that
 * BullMQ holds without a priority (its `wait` list, added by other code) count as waiting at 9.
 */
export async function snapshotQueue(
  client: RedisClient,
  prefix: string,
  name: string,
  now: number,
): Promise<QueueSnapshot> {
  const base = bullBase(prefix, name);
  const tag = queueTag(prefix, name);
  const bucket = Math.floor(now / STATS_BUCKET_MS);
  const perPriority = Array.from({ length: MAX_PRIORITY + 1 }, (_, priority) => {
    const from = toBullPriority(priority) * PRIORITY_STEP;
    return client.zcount(`${base}prioritized`, from, from + PRIORITY_STEP - 1);
  });
  const buckets = Array.from({ length: STATS_BUCKETS }, (_, i) =>
    client.hmget(statsKey(tag, bucket - i), 'c', 'f'),
  );
  const [wait, active, delayed, completed, failed, paused, oldest, byPriority, ended] = await Promise.all([
    client.llen(`${base}wait`),
    client.llen(`${base}active`),
    client.zcard(`${base}delayed`),
    client.zcard(`${base}completed`),
    client.zcard(`${base}failed`),
    client.hexists(`${base}meta`, 'paused'),
    oldestWaiting(client, base),
    Promise.all(perPriority),
    Promise.all(buckets),
  ]);
  byPriority[MAX_PRIORITY] = (byPriority[MAX_PRIORITY] as number) + wait;
  const waiting = byPriority.reduce((sum, count) => sum + count, 0);
  const perBucket = ended.map(([c, f]) => Number(c ?? 0) + Number(f ?? 0));
  const jobsEnded = perBucket.reduce((sum, count) => sum + count, 0);
  // Over the minute, or since the bucket in which work began: a queue that has just started would
  // else seem slow. The newest bucket is only partly over.
  const started = perBucket.findLastIndex((count) => count > 0);
  const seconds = (started * STATS_BUCKET_MS + (now % STATS_BUCKET_MS)) / 1000;
  const rate = jobsEnded === 0 ? null : jobsEnded / Math.max(1, seconds);
  return {
    name,
    waiting,
    active,
    delayed,
    completed,
    failed,
    paused: paused === 1,
    byPriority,
    oldestMs: oldest === undefined ? undefined : Math.max(0, now - oldest),
    ratePerSecond: rate,
    etaMs: rate === null || waiting === 0 ? null : (waiting / rate) * 1000,
  };
}

/**
 * Submit time of the job that has waited longest: first come, first served holds within a
 * priority, so it is the oldest of the ten heads.
 */
async function oldestWaiting(client: RedisClient, base: string): Promise<number | undefined> {
  const heads = await Promise.all([
    client.lindex(`${base}wait`, -1).then((id) => (id === null ? [] : [id])),
    ...Array.from({ length: MAX_PRIORITY + 1 }, (_, priority) => {
      const from = toBullPriority(priority) * PRIORITY_STEP;
      return client.zrangebyscore(`${base}prioritized`, from, from + PRIORITY_STEP - 1, 'LIMIT', 0, 1);
    }),
  ]);
  const times = await Promise.all(heads.flat().map((id) => client.hget(base + id, 'timestamp')));
  const known = times.filter((time): time is string => time !== null).map(Number);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** All queues that ever got a job, or only those named. */
export async function snapshotQueues(
  client: RedisClient,
  prefix: string,
  now: number,
  only?: readonly string[],
): Promise<QueueSnapshot[]> {
  const names = only ?? (await listQueues(client, prefix));
  return Promise.all(names.map((name) => snapshotQueue(client, prefix, name, now)));
}
