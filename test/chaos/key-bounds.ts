import type { Redis } from 'ioredis';
import { bullBase } from '../../src/lib/queue/keys.js';
import { type Bounds, kindOf, type Placed } from './key-kinds.js';
import { allKeys } from './keyspace.js';

/** A key with what is needed to judge its bound. */
export interface KeyFacts {
  key: string;
  /** Remaining seconds; -1 when it stays until something removes it. */
  ttl: number;
  /** Elements of a hash, list, set or stream; 1 of a string. */
  size: number;
  /** The job or group it belongs to has not ended. */
  open: boolean;
}

export interface KeyCount {
  kind: string;
  keys: number;
  /** Those without a TTL. */
  permanent: number;
  /** Elements of the largest, and its maximum. */
  largest: number;
  most: number | undefined;
}

export type Known = Pick<Bounds, 'queues' | 'models' | 'workers'>;

/** The longest TTL of any key after its last change: two weeks and an hour, for the hours of the history. */
const LONGEST_TTL_S = 14 * 86_400 + 7200;
const AT_ONCE = 500;

/** Checks every key against its kind: returns descriptions of unbounded keys, and the number of keys by kind. Pure. */
export function checkBounds(
  keys: readonly KeyFacts[],
  prefix: string,
  known: Known,
): { unbounded: string[]; counts: KeyCount[] } {
  const unbounded: string[] = [];
  const counts = new Map<string, KeyCount>();
  const jobs = countJobs(keys, prefix);
  // Applies to groups too: one without remaining chunks would stay open forever.
  const anyOpen = [...jobs.values()].some((count) => count.open > 0);
  for (const { key, ttl, size, open } of keys) {
    const place = kindOf(key, prefix);
    if (place === undefined) {
      unbounded.push(`${key} is of no known kind`);
      continue;
    }
    const { kind, queue } = place;
    const most = kind.most?.({ ...known, ...(jobs.get(queue ?? '') ?? { open: 0, ended: 0 }) });
    const permanent = ttl < 0;
    if (permanent && kind.permanent === 'never') unbounded.push(`${key} (${kind.name}) has no TTL`);
    if (permanent && kind.permanent === 'open' && !(open && anyOpen)) {
      unbounded.push(`${key} (${kind.name}) has no TTL, and what it belongs to has ended`);
    }
    if (ttl > LONGEST_TTL_S) unbounded.push(`${key} (${kind.name}) lives for ${ttl} s more`);
    if (most !== undefined && size > most) {
      unbounded.push(`${key} (${kind.name}) has ${size} elements, ${Math.floor(most)} at most`);
    }
    const count = counts.get(kind.name) ?? { kind: kind.name, keys: 0, permanent: 0, largest: 0, most };
    count.keys += 1;
    if (permanent) count.permanent += 1;
    if (size >= count.largest) Object.assign(count, { largest: size, most });
    counts.set(kind.name, count);
  }
  return { unbounded, counts: [...counts.values()] };
}

/** Job records of each queue, of jobs that have not ended and of those that have. */
function countJobs(keys: readonly KeyFacts[], prefix: string): Map<string, Pick<Bounds, 'open' | 'ended'>> {
  const jobs = new Map<string, { open: number; ended: number }>();
  for (const { key, open } of keys) {
    const place = kindOf(key, prefix);
    if (place?.kind.name !== 'job' || place.queue === undefined) continue;
    const count = jobs.get(place.queue) ?? { open: 0, ended: 0 };
    count[open ? 'open' : 'ended'] += 1;
    jobs.set(place.queue, count);
  }
  return jobs;
}

/** Every key of an installation, read key by key without any of infer's readers. */
export async function readKeyFacts(redis: Redis, prefix: string): Promise<KeyFacts[]> {
  const keys = await allKeys(redis, prefix);
  const facts: KeyFacts[] = [];
  for (let from = 0; from < keys.length; from += AT_ONCE) {
    const some = keys.slice(from, from + AT_ONCE);
    facts.push(...(await Promise.all(some.map((key) => factsOf(redis, prefix, key)))));
  }
  // Some expire between listing and reading.
  return facts.filter(({ ttl }) => ttl !== -2);
}

async function factsOf(redis: Redis, prefix: string, key: string): Promise<KeyFacts> {
  const [ttl, type] = await Promise.all([redis.ttl(key), redis.type(key)]);
  const size = await (SIZES[type]?.(redis, key) ?? 1);
  return { key, ttl, size, open: await isOpen(redis, prefix, key, kindOf(key, prefix)) };
}

const SIZES: Record<string, (redis: Redis, key: string) => Promise<number>> = {
  hash: (redis, key) => redis.hlen(key),
  list: (redis, key) => redis.llen(key),
  set: (redis, key) => redis.scard(key),
  zset: (redis, key) => redis.zcard(key),
  stream: (redis, key) => redis.xlen(key),
};

async function isOpen(
  redis: Redis,
  prefix: string,
  key: string,
  place: Placed | undefined,
): Promise<boolean> {
  if (place?.queue === undefined || place.kind.permanent !== 'open') return false;
  if (place.kind.name === 'group') return (await redis.hexists(key, 'finishedOn')) === 0;
  const job = place.kind.name === 'job' ? key : bullBase(prefix, place.queue) + place.id;
  // A record without a name is the remainder of one, or never was one.
  const [name = null, state = null] = await redis.hmget(job, 'name', 'st').catch(() => []);
  return name !== null && state === null;
}
