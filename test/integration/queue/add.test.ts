import { Queue } from 'bullmq';
import { describe, expect, it } from 'vitest';
import type { Priority } from '../../../src/lib/core/job.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { bullBase, queueTag } from '../../../src/lib/queue/keys.js';
import { EVENTS_KEPT } from '../../../src/lib/queue/wire.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { useRedis } from '../../support/redis.js';

const NOW = 1_700_000_000_000;
const redis = useRedis();

interface Added {
  id: string;
  priority?: Priority;
  delay?: number;
}

/** Adds the same jobs to two queues: one through BullMQ, one through us. Returns what Redis then has of each. */
async function both(jobs: Added[], prepare?: (client: RedisClient, base: string) => Promise<unknown>) {
  const client = await redis.client();
  await client.flushall();
  const bull = new Queue('q', { connection: client, prefix: queueTag('theirs', 'q'), skipMetasUpdate: true });
  const producer = new Producer(client, 'ours', { now: () => NOW });
  for (const prefix of ['theirs', 'ours']) {
    const base = bullBase(prefix, 'q');
    await client.hset(`${base}meta`, 'opts.maxLenEvents', EVENTS_KEPT);
    await prepare?.(client, base);
  }
  for (const { id, priority = 0, delay = 0 } of jobs) {
    const spec = { id, queue: 'q', model: 'm', rows: 1, priority, resultTtl: 60 };
    const data = { s: { model: 'm', rows: 1, priority, resultTtl: 60, ...startOf(delay) }, i: 'eA==' };
    const opts = { jobId: id, priority: 10 - priority, timestamp: NOW, ...(delay === 0 ? {} : { delay }) };
    await bull.add('m#1', data, opts);
    const job = { spec: { ...spec, ...startOf(delay) }, input: Buffer.from('x') };
    await producer.submit('q', [job], false);
  }
  await producer.close();
  await bull.close();
  return { theirs: await everything(client, 'theirs'), ours: await everything(client, 'ours') };
}

const startOf = (delay: number) => (delay === 0 ? {} : { notBefore: NOW + delay });

/** Every key of the queue's BullMQ side, without its prefix. */
async function everything(client: RedisClient, prefix: string): Promise<Record<string, unknown>> {
  const base = bullBase(prefix, 'q');
  const all: Record<string, unknown> = {};
  for (const key of (await client.keys(`${base}*`)).sort()) {
    const type = await client.type(key);
    if (type === 'hash') all[key.slice(base.length)] = sorted(await client.hgetall(key));
    else if (type === 'zset') all[key.slice(base.length)] = await client.zrange(key, '0', '-1', 'WITHSCORES');
    else if (type === 'stream')
      all[key.slice(base.length)] = (await client.xrange(key, '-', '+')).map(([, of]) => of);
    else all[key.slice(base.length)] = await client.get(key);
  }
  return all;
}

const sorted = ({ opts, ...fields }: Record<string, string>) => ({
  ...fields,
  ...(opts === undefined ? {} : { opts: JSON.parse(opts) as unknown }),
});

describe('a job that we add', () => {
  it('is what BullMQ would have added, in every key', async () => {
    const jobs: Added[] = [
      { id: 'a' },
      { id: 'b', priority: 9 },
      { id: 'c', delay: 60_000 },
      { id: 'd', delay: 60_000, priority: 3 },
      { id: 'e', delay: 10 },
      { id: 'b' },
    ];
    const { theirs, ours } = await both(jobs);
    expect(Object.keys(ours)).toContain('prioritized');
    expect(ours).toEqual(theirs);
  });

  it('wakes no worker of a paused queue, or of one at its limit of active jobs, as with BullMQ', async () => {
    const paused = await both([{ id: 'a' }], (client, base) => client.hset(`${base}meta`, 'paused', '1'));
    expect(paused.ours).toEqual(paused.theirs);
    expect(paused.ours).not.toHaveProperty('marker');
    const full = await both([{ id: 'a' }], async (client, base) => {
      await client.hset(`${base}meta`, 'concurrency', '1');
      await client.zadd(`${base}marker`, 5, '1');
    });
    expect(full.ours).toEqual(full.theirs);
  });
});

it('many jobs are added in their order, by scripts of a bounded size', async () => {
  const client = await redis.client();
  const producer = new Producer(client, 'many', { now: () => NOW });
  const jobs = Array.from({ length: 200 }, (_, i) => ({
    spec: { id: `j${i}`, queue: 'q', model: 'm', rows: 1, priority: 0 as const, resultTtl: 60 },
    input: Buffer.alloc(4096),
  }));
  const before = await commandCalls(client);
  await producer.submit('q', jobs, false);
  const scripts = (await commandCalls(client)) - before;
  await producer.close();
  const waiting = await client.zrange(`${bullBase('many', 'q')}prioritized`, '0', '-1');
  expect(waiting).toEqual(jobs.map(({ spec }) => spec.id));
  expect(scripts).toBeGreaterThan(2);
  expect(scripts).toBeLessThan(12);
});

/** Scripts run by their digest so far. */
async function commandCalls(client: RedisClient): Promise<number> {
  const stats = await client.info('commandstats');
  return Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
}
