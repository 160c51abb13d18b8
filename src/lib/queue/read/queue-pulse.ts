import { fromBullPriority, MAX_PRIORITY, type Priority, toBullPriority } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable, numberOr, parsedObject } from '../../redis/wrong-type.js';
import { namedFields } from '../job-record.js';
import { bullBase, byModelKey, queueTag, STATS_BUCKET_MS, STATS_BUCKETS, statsKey } from '../keys.js';
import { countFiled } from '../routes.js';
import { DELAYED_UNIT, JOB, STATS } from '../wire.js';
import { bucketAt, readWorkBuckets, type WorkFigures } from '../work-stats.js';
import { countPriorities } from './count-priorities.js';

/** Ten seconds of a queue. */
export interface PulseBucket {
  /** Milliseconds of it that have passed. */
  ms: number;
  /** What each worker did, by worker id; it lags by up to a heartbeat. */
  work: ReadonlyMap<string, WorkFigures>;
  /** Added jobs by priority 0..9. */
  added: readonly number[];
}

/** State of a queue, for estimating when one of its jobs starts. */
export interface QueuePulse {
  name: string;
  paused: boolean;
  /** Waiting jobs in Redis by priority 0..9; those that BullMQ stores without a priority count as 9. */
  byPriority: readonly number[];
  /** How many of these have no priority: they go before all others. */
  unprioritized: number;
  /** Jobs that workers have taken. */
  taken: number;
  /** Waiting jobs that were passed over by a worker without their model, by route. */
  unmatched: Readonly<Record<string, number>>;
  /** The last minute in buckets, the most recent first. */
  minute: readonly PulseBucket[];
}

/**
 * Reads the pulse of a queue of any length. The commands are read-only and list no jobs, so a producer may
 * send them.
 * @param now by Redis's clock
 */
export async function readPulse(
  client: RedisClient,
  prefix: string,
  name: string,
  now: number,
): Promise<QueuePulse> {
  const base = bullBase(prefix, name);
  const tag = queueTag(prefix, name);
  const fields = Array.from({ length: MAX_PRIORITY + 1 }, (_, priority) => STATS.addedOf + String(priority));
  const added = Array.from({ length: STATS_BUCKETS }, (_, back) =>
    ifReadable(client.hmget(statsKey(tag, bucketAt(now) - back), ...fields), []),
  );
  const [paused, unprioritized, taken, byPriority, arrivals, work, filed] = await Promise.all([
    ifReadable(client.hexists(`${base}meta`, 'paused'), 0),
    ifReadable(client.llen(`${base}wait`), 0),
    ifReadable(client.llen(`${base}active`), 0),
    countPriorities(client, base),
    Promise.all(added),
    readWorkBuckets(client, prefix, name, now),
    countFiled(client, prefix, name),
  ]);
  byPriority[MAX_PRIORITY] = (byPriority[MAX_PRIORITY] as number) + unprioritized;
  return {
    name,
    paused: paused === 1,
    byPriority,
    unprioritized,
    taken,
    unmatched: Object.fromEntries(filed),
    minute: work.map((bucket, back) => ({
      ms: back === 0 ? now % STATS_BUCKET_MS : STATS_BUCKET_MS,
      work: bucket,
      added: fields.map((_, priority) => numberOr(arrivals[back]?.[priority], 0)),
    })),
  };
}

/** Position of a job that has not started. */
export interface Standing {
  id: string;
  queue: string;
  state: 'waiting' | 'delayed';
  /** `model`, or `model@version`, with the mark of its layout. */
  route: string;
  rows: number;
  priority: Priority;
  /** Milliseconds since the epoch, by Redis's clock. */
  submittedAt: number;
  /** Attempts that ended, and the error code of the last. */
  tries: number;
  failure?: string | undefined;
  /** For a delayed job: when it may start, ms since the epoch. */
  runAt?: number | undefined;
  /** For a waiting job: the number of jobs before it in `prioritized`, of all models, and its score there. */
  rank?: number | undefined;
  score?: number | undefined;
}

const FIELDS = ['name', 'priority', 'timestamp', JOB.attemptsMade, JOB.failure] as const;
const NAME = /^(.*)#(\d+)$/s;

/**
 * Reads the position of a job: four lookups of O(log n) in one round trip. Null when it has started or ended;
 * undefined when it is not in this queue.
 */
export async function readStanding(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<Standing | null | undefined> {
  const base = bullBase(prefix, queue);
  const [values, rank, score, delayed] = await Promise.all([
    ifReadable(client.hmget(base + id, ...FIELDS), []),
    ifReadable(client.zrank(`${base}prioritized`, id), null),
    ifReadable(client.zscore(`${base}prioritized`, id), null),
    ifReadable(client.zscore(`${base}delayed`, id), null),
  ]);
  const waits = rank !== null && score !== null;
  const fields = namedFields(FIELDS, values);
  const name = NAME.exec(fields.name ?? '');
  if (name === null) return undefined;
  if (!waits && delayed === null) return null;
  return {
    id,
    queue,
    state: waits ? 'waiting' : 'delayed',
    route: name[1] as string,
    rows: Number(name[2]),
    priority: fromBullPriority(numberOr(fields.priority, toBullPriority(0))),
    submittedAt: numberOr(fields.timestamp, 0),
    tries: numberOr(fields[JOB.attemptsMade], 0),
    failure: parsedObject<{ code?: string }>(fields[JOB.failure])?.code,
    ...(waits ? { rank, score: Number(score) } : { runAt: Math.floor(Number(delayed) / DELAYED_UNIT) }),
  };
}

/** Jobs of some routes below a score of `prioritized`, as counted by the index of filed jobs. */
export async function filedBelow(
  client: RedisClient,
  prefix: string,
  queue: string,
  routes: readonly string[],
  score: number,
): Promise<number> {
  const tag = queueTag(prefix, queue);
  const counts = await Promise.all(
    routes.map((route) => ifReadable(client.zcount(byModelKey(tag, route), '-inf', `(${score}`), 0)),
  );
  return counts.reduce((sum, jobs) => sum + jobs, 0);
}
