import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { useRedis } from '../support/redis.js';
import { FaultProxy } from './proxy.js';

const server = useRedis({ port: true });
let ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  ends = [];
});

async function connected(): Promise<{ proxy: FaultProxy; client: Redis; resets: () => number }> {
  const proxy = await FaultProxy.open(server.port as number);
  ends.push(() => proxy.close());
  const client = new Redis({ port: proxy.port, host: '127.0.0.1', retryStrategy: () => 10 });
  ends.push(() => client.disconnect());
  client.on('error', () => undefined);
  let resets = 0;
  client.on('close', () => {
    resets += 1;
  });
  await client.ping();
  return { proxy, client, resets: () => resets };
}

describe('a network that drops answers', () => {
  it('runs the first request of each kind and resets the connection before the answer, so that it is sent again', async () => {
    const { proxy, client, resets } = await connected();
    proxy.set({ kind: 'cut', times: 1 });
    // Answered to the second one, which the client sends automatically.
    expect(await client.incr('count')).toBe(2);
    expect(await client.incr('count')).toBe(3);
    expect(await client.eval("return redis.call('INCR', KEYS[1])", 1, 'other')).toBe(2);
    expect(await client.eval("return redis.call('INCRBY', KEYS[1], 5)", 1, 'other')).toBe(12);
    expect(proxy.cuts).toBe(3);
    expect(resets()).toBe(3);
    proxy.set({ kind: 'pass' });
    expect(await client.incr('other')).toBe(13);
    proxy.set({ kind: 'cut', times: 3 });
    expect(await client.incr('other')).toBe(17);
  });

  it('passes large values and pipelined requests intact', async () => {
    const { proxy, client } = await connected();
    const large = 'x'.repeat(3_000_000);
    await client.set('large', large);
    proxy.set({ kind: 'cut', times: 1 });
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => client.set(`k${i}`, String(i))));
    expect(new Set(answers)).toEqual(new Set(['OK']));
    expect(await client.get('large')).toBe(large);
    expect(await client.get('k299')).toBe('299');
  });
});
