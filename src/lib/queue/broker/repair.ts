import { newId } from '../../core/job.js';
import { scanKeys } from '../../redis/scan-keys.js';
import type { RedisClient } from '../../redis/types.js';
import { type DamagedKey, damagedKeyKind, readDamage } from '../damage.js';
import { bullBase, putAwayKey, queueTag } from '../keys.js';
import { QueueScripts } from '../lua/script-client.js';

/** Seconds that a key is kept which was taken out of use: it may be another program's. */
const KEPT_SECONDS = 7 * 86_400;
/** Ids of one script: about 1 ms of Redis time. */
const TOGETHER = 100;

/** What belongs to a job beside its hash, in keys of BullMQ. */
const BESIDE = /:(lock|logs|dependencies|processed|failed|unsuccessful)$/;

/** What is to be repaired of a queue. */
export interface RepairPlan {
  keys: DamagedKey[];
  /** Jobs that are in none of the lists they belong to, the first submitted first. */
  lost: string[];
  /** Jobs that were set aside as damaged; `infer retry` and `infer cancel` are for them. */
  damagedJobs: number;
}

/** What was repaired. */
export interface Repaired {
  /** Keys that were taken out of use, and the name each has now. */
  putAway: { key: string; as: string }[];
  /** Jobs that were put back, by where. */
  placed: { waiting: number; active: number; delayed: number; ended: number };
}

/**
 * What is damaged of a queue, read-only: keys of another type, and jobs whose records are in no list, which takes a look
 * at every key of the server.
 */
export async function planRepair(
  client: RedisClient,
  prefix: string,
  queue: string,
  signal: AbortSignal,
): Promise<RepairPlan> {
  const { keys, jobCount } = await readDamage(client, prefix, queue);
  // While a list cannot be read all of its jobs are in none.
  return {
    keys,
    lost: keys.length > 0 ? [] : await findLost(client, prefix, queue, signal),
    damagedJobs: jobCount,
  };
}

/**
 * Takes damaged keys of a queue out of use and puts its jobs back into their lists, from their records: held ones among the
 * active, the others to wait at their priority in the order of their submits. What is sound is left alone, so it may be
 * stopped and repeated, and workers may go on meanwhile.
 */
export async function repair(
  client: RedisClient,
  prefix: string,
  queue: string,
  signal: AbortSignal,
): Promise<Repaired> {
  const scripts = new QueueScripts(client, prefix, queue);
  const putAway: Repaired['putAway'] = [];
  const { keys } = await readDamage(client, prefix, queue);
  // The counter comes last: it goes on from the jobs that wait.
  for (const { key } of keys.sort((a, b) => Number(isCounter(a.key)) - Number(isCounter(b.key)))) {
    signal.throwIfAborted();
    const as = putAwayKey(queueTag(prefix, queue), newId('j'));
    const kind = damagedKeyKind(prefix, queue, key);
    if ((await scripts.run('inferPutAway', key, kind, as, KEPT_SECONDS)) === 1) putAway.push({ key, as });
  }
  const lost = await findLost(client, prefix, queue, signal);
  const placed = { waiting: 0, active: 0, delayed: 0, ended: 0 };
  for (let from = 0; from < lost.length; from += TOGETHER) {
    signal.throwIfAborted();
    const reply = await scripts.run('inferReindex', 'place', ...lost.slice(from, from + TOGETHER));
    const [waiting, active, delayed, ended] = reply as [number, number, number, number];
    placed.waiting += waiting;
    placed.active += active;
    placed.delayed += delayed;
    placed.ended += ended;
  }
  return { putAway, placed };
}

const isCounter = (key: string): boolean => key.endsWith(':pc');

/** Ids of jobs that are in no list, the first submitted first. */
async function findLost(
  client: RedisClient,
  prefix: string,
  queue: string,
  signal: AbortSignal,
): Promise<string[]> {
  const base = bullBase(prefix, queue);
  const scripts = new QueueScripts(client, prefix, queue);
  const lost = new Map<string, number>();
  for await (const keys of scanKeys(client, base)) {
    signal.throwIfAborted();
    const ids = keys.filter((key) => !BESIDE.test(key)).map((key) => key.slice(base.length));
    for (let from = 0; from < ids.length; from += TOGETHER) {
      const flat = (await scripts.run(
        'inferReindex',
        'look',
        ...ids.slice(from, from + TOGETHER),
      )) as string[];
      for (let i = 0; i + 1 < flat.length; i += 2) lost.set(flat[i] as string, Number(flat[i + 1]));
    }
  }
  return [...lost].sort(([, a], [, b]) => a - b).map(([id]) => id);
}
