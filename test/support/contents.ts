import type { RedisClient } from '../../src/lib/redis/types.js';

/**
 * Everything in Redis by key, except for TTLs and keys that `skip` matches. Not by DUMP: reading a hash may change the
 * order of its fields there.
 */
export async function contents(client: RedisClient, skip: RegExp): Promise<Record<string, unknown>> {
  const keys = ((await client.call('KEYS', '*')) as string[]).filter((key) => !skip.test(key)).sort();
  const values = await Promise.all(keys.map((key) => readKey(client, key)));
  return Object.fromEntries(keys.map((key, at) => [key, values[at]]));
}

async function readKey(client: RedisClient, key: string): Promise<unknown> {
  switch (await client.type(key)) {
    case 'string':
      return (await client.getBuffer(key))?.toString('hex');
    case 'hash':
      return client.hgetall(key);
    case 'list':
      return client.lrange(key, 0, -1);
    case 'set':
      return (await client.smembers(key)).sort();
    case 'zset':
      return client.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return client.xrange(key, '-', '+');
    default:
      throw new Error(`no type of key ${key}`);
  }
}
