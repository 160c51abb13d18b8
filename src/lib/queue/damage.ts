import { InferError, messageOf, type OwnFailure } from '../core/errors.js';
import { printable } from '../core/printable.js';
import { aKind, type KeyKind } from '../redis/installation-keys.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable, isWrongValue } from '../redis/wrong-type.js';
import {
  arrivingKey,
  bullBase,
  cancelledKey,
  damagedKey,
  damagedWhyKey,
  deadlinesKey,
  expiredKey,
  queueTag,
} from './keys.js';
import { DAMAGED_HINT, INPUT_UNREADABLE, JOB_DAMAGED } from './lua/damage.js';

/** A key that a whole queue depends on and that has the wrong type. */
export interface DamagedKey {
  key: string;
  /** Description of the fault: `is a string, not a sorted set`. */
  what: string;
  /** What fails because of it. */
  effect: string;
}

/** A job that was set aside. */
export interface DamagedJob {
  id: string;
  /** ms since the epoch, by Redis's clock. */
  at: number;
  /** Description of the damage; names the key or field. */
  what: string;
}

/** The damage of one queue. */
export interface QueueDamage {
  queue: string;
  keys: DamagedKey[];
  /** The most recently set aside, 20 at most. */
  jobs: DamagedJob[];
  /** How many are registered. */
  jobCount: number;
}

const JOBS_SHOWN = 20;

/** Every key that a whole queue depends on, its type, and what fails without it. */
function queueKeys(prefix: string, queue: string): { key: string; kind: KeyKind; effect: string }[] {
  const base = bullBase(prefix, queue);
  const tag = queueTag(prefix, queue);
  const ended = 'jobs that end are not listed; results are there';
  return [
    { key: `${base}prioritized`, kind: 'zset', effect: 'no job can be submitted or taken' },
    { key: `${base}wait`, kind: 'list', effect: 'jobs without a priority are not taken' },
    { key: `${base}active`, kind: 'list', effect: 'no job is taken, and jobs of lost workers are not found' },
    { key: `${base}delayed`, kind: 'zset', effect: 'delayed jobs and retries do not start' },
    {
      key: `${base}meta`,
      kind: 'hash',
      effect: 'no job can be submitted, and the queue counts as not paused',
    },
    { key: `${base}pc`, kind: 'string', effect: 'no job can be submitted' },
    { key: `${base}id`, kind: 'string', effect: 'no job can be submitted' },
    { key: `${base}marker`, kind: 'zset', effect: 'idle workers are not woken' },
    { key: `${base}events`, kind: 'stream', effect: 'no job can be submitted' },
    { key: `${base}completed`, kind: 'zset', effect: ended },
    { key: `${base}failed`, kind: 'zset', effect: ended },
    { key: expiredKey(tag), kind: 'zset', effect: ended },
    { key: cancelledKey(tag), kind: 'zset', effect: ended },
    { key: deadlinesKey(tag), kind: 'zset', effect: 'jobs expire only when a worker takes them' },
    { key: arrivingKey(tag), kind: 'zset', effect: 'no job can be moved here' },
  ];
}

/** The type that a key of a queue must have. */
export function damagedKeyKind(prefix: string, queue: string, key: string): string {
  return queueKeys(prefix, queue).find((one) => one.key === key)?.kind ?? '';
}

/** Keys that hold a counter. */
const COUNTERS = /:(pc|id)$/;

/**
 * The damage of a queue: keys of the wrong type, and jobs that were set aside. Sends about 20 commands
 * in one pipeline, all read-only. If the user may not run TYPE, only jobs are reported.
 */
export async function readDamage(client: RedisClient, prefix: string, queue: string): Promise<QueueDamage> {
  const tag = queueTag(prefix, queue);
  const known = queueKeys(prefix, queue);
  const [types, jobs, jobCount] = await Promise.all([
    Promise.all(known.map(({ key }) => typeOf(client, key))),
    lastJobs(client, tag),
    ifReadable(client.zcard(damagedKey(tag)), 0),
  ]);
  const keys = known.flatMap(({ key, kind, effect }, i): DamagedKey[] => {
    const found = types[i];
    if (found === undefined || found === 'none' || found === kind) return [];
    return [{ key, what: `is ${aKind(found)}, not ${aKind(kind)}`, effect }];
  });
  const counters = known.filter(({ key }, i) => COUNTERS.test(key) && types[i] === 'string');
  const values = await Promise.all(counters.map(({ key }) => client.get(key)));
  for (const [i, { key, effect }] of counters.entries()) {
    if (!/^-?\d{1,18}$/.test(values[i] ?? '0')) keys.push({ key, what: 'is not a number', effect });
  }
  return { queue, keys, jobs, jobCount };
}

async function lastJobs(client: RedisClient, tag: string): Promise<DamagedJob[]> {
  const flat = await ifReadable(client.zrange(damagedKey(tag), String(-JOBS_SHOWN), '-1', 'WITHSCORES'), []);
  if (flat.length === 0) return [];
  const ids = flat.filter((_, i) => i % 2 === 0);
  const what = await ifReadable(client.hmget(damagedWhyKey(tag), ...ids), []);
  return ids.map((id, i) => ({ id, at: Number(flat[2 * i + 1]), what: what[i] ?? UNKNOWN })).reverse();
}

const UNKNOWN = 'its record cannot be read';

/** The damage of a job; undefined if it is not registered as damaged. */
export async function damageOfJob(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<DamagedJob | undefined> {
  const tag = queueTag(prefix, queue);
  const [at, what] = await Promise.all([
    ifReadable(client.zscore(damagedKey(tag), id), null),
    ifReadable(client.hget(damagedWhyKey(tag), id), null),
  ]);
  return at === null ? undefined : { id, at: Number(at), what: what ?? UNKNOWN };
}

/** Why a damaged job has failed. */
export function damageFailure(what: string): OwnFailure & { hint: string } {
  return { code: JOB_DAMAGED, message: `the job is damaged in Redis: ${what}`, hint: DAMAGED_HINT };
}

/** The same, as an error. */
export function jobDamaged(what: string): InferError {
  return InferError.of(damageFailure(what));
}

/** The damage of a job whose input differs from what was stored. @param why `it ends inside tensor x` */
export const unreadableInput = (why: string): string => `${INPUT_UNREADABLE}: ${why}`;

/** JOB_DAMAGED for a job that cannot be run again in its current state. */
export function notRepairable(id: string, what: string): InferError {
  return new InferError(JOB_DAMAGED, `job ${printable(id)} cannot be repaired: ${what}`, {
    hint: `infer cancel ${printable(id)}, then submit it again`,
  });
}

/** JOB_DAMAGED for a result that differs from what its worker wrote. @param why `it ends inside tensor y` */
export const unreadableResult = (why: string): InferError =>
  resultDamaged(`its result cannot be read: ${why}`);

/** JOB_DAMAGED for a job that completed: its result is lost. */
export function resultDamaged(what: string): InferError {
  return new InferError(JOB_DAMAGED, damageFailure(what).message, {
    hint: 'another program wrote to this key; submit the job again',
  });
}

/** The command that repairs the keys of a whole queue. */
export const repairCommand = (queue: string): string => `infer control repair ${queue}`;

/** `key KEY is a string, not a sorted set: no job can be submitted or taken` */
export const damagedKeyText = ({ key, what, effect }: DamagedKey): string => `key ${key} ${what}: ${effect}`;

/**
 * Turns an error that Redis raised because of the type of a queue's key into QUEUE_DAMAGED. Any other error
 * is returned unchanged.
 */
async function nameDamage(
  client: RedisClient,
  prefix: string,
  queue: string,
  error: unknown,
): Promise<unknown> {
  if (!isWrongValue(error)) return error;
  const [first, ...more] = (await readDamage(client, prefix, queue)).keys;
  if (first === undefined) return error;
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  return new InferError(
    'QUEUE_DAMAGED',
    `queue ${queue} is damaged in Redis: ${damagedKeyText(first)}${others}`,
    { hint: repairCommand(queue), cause: error },
  );
}

/** A reading of a queue's keys, or a change of them: an error because of their type becomes QUEUE_DAMAGED. */
export async function namingDamage<T>(
  client: RedisClient,
  prefix: string,
  queue: string,
  reading: Promise<T>,
): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw await nameDamage(client, prefix, queue, error);
  }
}

/** Description of a key that Redis cannot read: `its input KEY is a hash, not a string`. */
export async function findDamage(
  client: RedisClient,
  key: string,
  whose: string,
  wanted: KeyKind,
): Promise<string> {
  const found = await typeOf(client, key);
  if (found === wanted) return `a field of ${key} does not hold what it must`;
  return `${whose} ${key} ${found === undefined ? 'is not' : `is ${aKind(found)}, not`} ${aKind(wanted)}`;
}

/** GROUP_DAMAGED: its chunks are ordinary jobs and still exist. */
export function groupDamaged(id: string, what: string): InferError {
  return new InferError('GROUP_DAMAGED', `group ${printable(id)} is damaged in Redis: ${what}`, {
    hint: `its chunks are jobs ${printable(id)}-0, ${printable(id)}-1 and so on: infer result ${printable(id)}-0`,
  });
}

/** Undefined if the user may not run TYPE. */
export async function typeOf(client: RedisClient, key: string): Promise<string | undefined> {
  try {
    return await client.type(key);
  } catch (error) {
    if (messageOf(error).includes('NOPERM')) return undefined;
    throw error;
  }
}
