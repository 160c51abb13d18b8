import type { Redis } from 'ioredis';
import { bullBase, queueTag, resultKey } from '../../src/lib/queue/keys.js';

type Damage = (redis: Redis, key: string, result: string) => Promise<unknown>;

/** Ways in which a key or field of a job comes to hold what our code never writes there. */
const DAMAGES = {
  'data that is no JSON': (redis, key) => redis.hset(key, 'data', '{"s":{'),
  'a count that is no number': (redis, key) => redis.hset(key, 'atm', 'several', 'ats', '?'),
  'a record of another type': (redis, key) => redis.multi().del(key).rpush(key, 'x').exec(),
  // With a TTL below that of a real lock: the job may end before the lock is noticed, and then only its creator
  // would remove it.
  'a lock of another type': (redis, key) =>
    redis.multi().del(`${key}:lock`).rpush(`${key}:lock`, 'x').expire(`${key}:lock`, 5).exec(),
  'a result of another type': (redis, _, result) =>
    redis.multi().del(result).rpush(result, 'x').expire(result, 60).exec(),
} satisfies Record<string, Damage>;

export type DamageName = keyof typeof DAMAGES;
export const DAMAGE_NAMES = Object.keys(DAMAGES) as DamageName[];

/** Damages a job, as a person with redis-cli or a program with a wrong prefix might. */
export async function damage(
  name: DamageName,
  redis: Redis,
  prefix: string,
  { queue, id }: { queue: string; id: string },
): Promise<void> {
  await DAMAGES[name](redis, bullBase(prefix, queue) + id, resultKey(queueTag(prefix, queue), id));
}
