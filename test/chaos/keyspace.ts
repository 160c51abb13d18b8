import type { Redis } from 'ioredis';
import { expireAllDue } from '../../src/lib/queue/broker/deadlines.js';
import { Sweeper } from '../../src/lib/queue/broker/sweep.js';
import {
  bullBase,
  cancelledKey,
  damagedKey,
  dataKey,
  expiredKey,
  installationTag,
  modelsKey,
  queuesKey,
  queueTag,
  startingKey,
  versionsKey,
  workersKey,
} from '../../src/lib/queue/keys.js';
import { QueueScripts } from '../../src/lib/queue/lua/script-client.js';
import type { FinalGroup, FinalJob, FinalState } from './records.js';

const WAITING = ['wait', 'paused', 'prioritized'];
const ENDED = ['completed', 'failed', 'expired', 'cancelled'];
/** Permanent keys of a queue, small for any number of jobs. */
const FIXED = ['meta', 'events', 'pc', 'marker', 'id', 'stalled-check'];

/** Jobs that a worker holds at the moment. */
export async function heldBy(
  redis: Redis,
  prefix: string,
  queues: readonly string[],
  worker: string,
): Promise<string[]> {
  const held: string[] = [];
  for (const queue of queues) {
    const base = bullBase(prefix, queue);
    for (const id of await redis.lrange(`${base}active`, 0, -1)) {
      // A damaged record belongs to no one.
      const holder = await redis.hget(base + id, 'pb').catch(() => null);
      if (holder === worker) held.push(id);
    }
  }
  return held;
}

/** Active jobs whose lock has expired or disappeared. */
export async function unlockedActive(
  redis: Redis,
  prefix: string,
  queues: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const queue of queues) {
    const base = bullBase(prefix, queue);
    const ids = await redis.lrange(`${base}active`, 0, -1);
    const locked = await Promise.all(ids.map((id) => redis.exists(`${base}${id}:lock`)));
    found.push(...ids.filter((_, i) => locked[i] === 0));
  }
  return found;
}

export async function unended(redis: Redis, prefix: string, queues: readonly string[]): Promise<number> {
  let sum = 0;
  for (const queue of queues) {
    const base = bullBase(prefix, queue);
    sum += await redis.llen(`${base}wait`);
    sum += await redis.llen(`${base}active`);
    sum += await redis.zcard(`${base}prioritized`);
    sum += await redis.zcard(`${base}delayed`);
  }
  return sum;
}

export async function allKeys(redis: Redis, prefix: string): Promise<string[]> {
  const keys = new Set<string>();
  let cursor = '0';
  do {
    const [next, some] = await redis.scan(cursor, 'MATCH', `{${prefix}*`, 'COUNT', 1000);
    for (const key of some) keys.add(key);
    cursor = next;
  } while (cursor !== '0');
  return [...keys];
}

type QueueState = Pick<FinalState, 'jobs' | 'groups' | 'counts' | 'results' | 'locks'>;

/** Everything Redis holds of the queues, read key by key without any of infer's readers. */
export async function readQueues(
  redis: Redis,
  prefix: string,
  queues: readonly string[],
): Promise<QueueState> {
  const keys = await allKeys(redis, prefix);
  const state: QueueState = {
    jobs: [],
    groups: [],
    counts: { waiting: 0, delayed: 0, active: 0, terminal: 0 },
    results: [],
    locks: keys.filter((key) => key.endsWith(':lock')),
  };
  for (const queue of queues) {
    const tag = queueTag(prefix, queue);
    const base = bullBase(prefix, queue);
    state.results.push(...idsBelow(keys, `${tag}:res:`));
    for (const id of idsBelow(keys, `${tag}:grp:`))
      state.groups.push(await readGroup(redis, `${tag}:grp:${id}`, id));
    const places = await readPlaces(redis, prefix, queue, state.counts);
    const known = [...WAITING, ...ENDED, ...FIXED, 'active', 'delayed'];
    for (const id of idsBelow(keys, base)) {
      if (known.includes(id) || id.endsWith(':lock')) continue;
      if (!places.has(id)) places.set(id, []);
    }
    const results = new Set(state.results);
    for (const [id, where] of places) {
      const locked = state.locks.includes(`${base}${id}:lock`);
      state.jobs.push(await readJob(redis, base, queue, id, where, locked, results.has(id)));
    }
  }
  return state;
}

async function readPlaces(
  redis: Redis,
  prefix: string,
  queue: string,
  counts: FinalState['counts'],
): Promise<Map<string, string[]>> {
  const tag = queueTag(prefix, queue);
  const base = bullBase(prefix, queue);
  const places = new Map<string, string[]>();
  const put = (place: string, ids: string[]): void => {
    for (const id of ids) places.set(id, [...(places.get(id) ?? []), place]);
    if (WAITING.includes(place)) counts.waiting += ids.length;
    else if (ENDED.includes(place)) counts.terminal += ids.length;
    else if (place === 'delayed') counts.delayed += ids.length;
    else counts.active += ids.length;
  };
  for (const list of ['wait', 'paused', 'active']) put(list, await redis.lrange(base + list, 0, -1));
  for (const set of ['prioritized', 'delayed', 'completed', 'failed']) {
    put(set, await redis.zrange(base + set, '0', '-1'));
  }
  put('expired', await redis.zrange(expiredKey(tag), '0', '-1'));
  put('cancelled', await redis.zrange(cancelledKey(tag), '0', '-1'));
  return places;
}

async function readJob(
  redis: Redis,
  base: string,
  queue: string,
  id: string,
  places: string[],
  locked: boolean,
  hasResult: boolean,
): Promise<FinalJob> {
  const hash: Record<string, string> = await redis.hgetall(base + id).catch(() => ({ damaged: '1' }));
  return {
    id,
    queue,
    // An entry whose record has expired waits for the sweep: either it was terminal, or it is lost.
    state: hash.st ?? (Object.keys(hash).length === 0 ? 'gone' : undefined),
    places,
    locked,
    hasResult,
    // A damaged value counts as none.
    executions: Number(hash.ats) || 0,
    settled: Number(hash.atm) || 0,
    lapses: Number(hash.stc) || 0,
    failureCode: parsed<{ code: string }>(hash.f)?.code,
    worker: parsed<{ worker?: string }>(hash.m)?.worker,
    finishedOn: hash.finishedOn === undefined ? undefined : Number(hash.finishedOn),
  };
}

/** Undefined where nothing is there or nothing is readable. */
function parsed<T>(json: string | undefined): T | undefined {
  try {
    return json ? (JSON.parse(json) as T) : undefined;
  } catch {
    return undefined;
  }
}

async function readGroup(redis: Redis, key: string, id: string): Promise<FinalGroup> {
  const fields = await redis.hgetall(key);
  return {
    id,
    closed: fields.closed === '1',
    jobs: Number(fields.jobs ?? 0),
    completed: Number(fields.jc ?? 0),
    failed: Number(fields.jf ?? 0),
    rowsDone: Number(fields.rd ?? 0),
  };
}

function idsBelow(keys: readonly string[], start: string): string[] {
  return keys.filter((key) => key.startsWith(start)).map((key) => key.slice(start.length));
}

/**
 * Lets time pass: every key with a TTL expires, then the workers' housekeeping completes. Returns the keys that remain
 * and should not.
 */
export async function retire(redis: Redis, prefix: string, queues: readonly string[]): Promise<string[]> {
  for (const key of await allKeys(redis, prefix)) {
    if ((await redis.ttl(key)) >= 0) await redis.unlink(key);
  }
  for (const queue of queues) {
    const scripts = new QueueScripts(redis, prefix, queue);
    await expireAllDue(scripts, () => false);
    await new Sweeper(scripts).sweep(() => false);
  }
  const marks = [
    dataKey(installationTag(prefix)),
    ...queues.map((queue) => dataKey(queueTag(prefix, queue))),
  ];
  const names = [
    queuesKey(prefix),
    modelsKey(prefix),
    versionsKey(prefix),
    workersKey(prefix),
    startingKey(prefix),
  ];
  const fixed = new Set([...names, ...marks]);
  for (const queue of queues) for (const part of FIXED) fixed.add(bullBase(prefix, queue) + part);
  return (await allKeys(redis, prefix)).filter((key) => !fixed.has(key));
}

/** Ids in the registers of damaged jobs. */
export async function readDamaged(
  redis: Redis,
  prefix: string,
  queues: readonly string[],
): Promise<string[]> {
  const ids = await Promise.all(
    queues.map((queue) => redis.zrange(damagedKey(queueTag(prefix, queue)), '0', '-1')),
  );
  return ids.flat();
}

/** Waiting and running jobs, with their queue. */
export async function openJobs(
  redis: Redis,
  prefix: string,
  queues: readonly string[],
): Promise<{ queue: string; id: string }[]> {
  const found: { queue: string; id: string }[] = [];
  for (const queue of queues) {
    const base = bullBase(prefix, queue);
    const ids = [
      ...(await redis.lrange(`${base}active`, 0, -1)),
      ...(await redis.zrange(`${base}prioritized`, '0', '-1')),
    ];
    found.push(...ids.map((id) => ({ queue, id })));
  }
  return found;
}
