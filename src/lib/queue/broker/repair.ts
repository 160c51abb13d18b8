import { newId } from '../../core/job.js';
import { scanKeys } from '../../redis/scan-keys.js';
import type { RedisClient } from '../../redis/types.js';
import { type DamagedKey, damagedKeyKind, readDamage } from '../damage.js';
import { bullBase, putAwayKey, queueTag } from '../keys.js';
import { QueueScripts } from '../lua/script-client.js';
import { settleArrivals } from './move.js';

/** Seconds that a key taken out of use is kept: it may belong to another program. */
const KEPT_SECONDS = 7 * 86_400;
/** Ids per script: about 1 ms of Redis time. */
const TOGETHER = 100;

/** BullMQ's keys that belong to a job besides its hash. */
const SUBKEYS = /:(lock|logs|dependencies|processed|failed|unsuccessful)$/;

/** What needs repair in a queue. */
export interface RepairPlan {
  keys: DamagedKey[];
  /** Jobs missing from every list they could belong to, in order of submission. */
  lost: string[];
  /** Jobs that were set aside as damaged; `infer retry` and `infer cancel` handle those. */
  damagedJobs: number;
}

/** What was repaired. */
export interface Repaired {
  /** Keys that were taken out of use, with their new names. */
  putAway: { key: string; as: string }[];
  /** Jobs that were put back, by destination. */
  placed: { waiting: number; active: number; delayed: number; ended: number };
}

/**
 * What is damaged in a queue, read-only: keys of the wrong type, and jobs whose records are in no list;
 * finding those scans every key of the server.
 */
export async function planRepair(
  client: RedisClient,
  prefix: string,
  queue: string,
  signal: AbortSignal,
): Promise<RepairPlan> {
  const { keys, jobCount } = await readDamage(client, prefix, queue);
  // While a list is unreadable, all of its jobs count as missing.
  return {
    keys,
    lost: keys.length > 0 ? [] : await findLost(client, prefix, queue, signal),
    damagedJobs: jobCount,
  };
}

/**
 * Takes damaged keys of a queue out of use and puts its jobs back into their lists, from their records: held
 * jobs into the active list, the others into the waiting list by priority and order of submission. Moves to
 * the queue that were cut short over ten seconds ago are completed or undone. Intact data is left alone, so it can be stopped and repeated, and workers can continue in the meantime.
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
  // Restore the counter last: it continues from the waiting jobs.
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
  // Moves that could not end here: without a worker, nothing else would complete them.
  await settleArrivals(client, prefix, queue, { stopped: () => signal.aborted });
  return { putAway, placed };
}

const isCounter = (key: string): boolean => key.endsWith(':pc');

/** Ids of jobs that are in no list, in order of submission. */
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
    const ids = keys.filter((key) => !SUBKEYS.test(key)).map((key) => key.slice(base.length));
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
