import { expect } from 'vitest';
import type { BullConsumer } from '../../../src/lib/queue/broker/consumer.js';
import { damageOfJob } from '../../../src/lib/queue/damage.js';
import { completed, PREFIX, type QueueKit } from './queue-kit.js';

/** What a key may be overwritten with: every type of Redis, and texts that are not numbers. */
export const WRONG_VALUES = ['string', 'number', 'list', 'set', 'zset', 'hash', 'stream'] as const;
export type WrongValue = (typeof WRONG_VALUES)[number];

/** Replaces or creates a key, as another program would. */
export async function overwrite({ client }: QueueKit, key: string, value: WrongValue): Promise<void> {
  await client.del(key);
  if (value === 'string') await client.set(key, 'not yours');
  else if (value === 'number') await client.set(key, '42');
  else if (value === 'list') await client.rpush(key, 'not yours');
  else if (value === 'set') await client.sadd(key, 'not yours');
  else if (value === 'zset') await client.zadd(key, 1, 'not yours');
  else if (value === 'hash') await client.hset(key, 'not', 'yours');
  else await client.xadd(key, '*', 'not', 'yours');
}

/** Takes and completes jobs until none are left; returns the ids that completed. */
export async function workOff(consumer: BullConsumer): Promise<string[]> {
  const done: string[] = [];
  for (let idle = 0; idle < 2; ) {
    const jobs = await consumer.take(10);
    idle = jobs.length === 0 && !consumer.more ? idle + 1 : 0;
    const answers = await consumer.settle(
      jobs.map((job) =>
        job.unrunnable?.kind === 'damaged'
          ? { kind: 'failed', job, failure: { code: 'JOB_DAMAGED', message: job.unrunnable.what }, meta }
          : completed(job),
      ),
    );
    done.push(
      ...jobs.filter((job, i) => answers[i] && job.unrunnable === undefined).map((job) => job.spec.id),
    );
    await consumer.expireDue();
    await consumer.recover();
    await consumer.sweep();
  }
  return done;
}

const meta = { worker: 'w', device: 'cpu', attempts: 1, queueMs: 1, runMs: 1, totalMs: 1 };

/** The register's text on a job; empty when it is not listed. */
export async function namedAs(kit: QueueKit, id: string): Promise<string> {
  return (await damageOfJob(kit.client, PREFIX, kit.queue, id))?.what ?? '';
}

/** A damaged job is reported, is in no list that jobs are taken from, and everything stored for it expires. */
export async function expectSetAside(kit: QueueKit, id: string): Promise<void> {
  const { client, base } = kit;
  expect(await namedAs(kit, id)).not.toBe('');
  expect([
    await client.zscore(`${base}prioritized`, id),
    await client.zscore(`${base}delayed`, id),
    await client.lpos(`${base}wait`, id),
    await client.lpos(`${base}active`, id),
    await client.zscore(`${kit.tag}:deadlines`, id),
    await client.exists(`${base}${id}:lock`),
  ]).toEqual([null, null, null, null, null, 0]);
  for (const key of [base + id, kit.inputKey(id)]) expect(await client.ttl(key)).not.toBe(-1);
}
