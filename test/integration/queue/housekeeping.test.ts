import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { chunkId, newId } from '../../../src/lib/core/job.js';
import { sweepKey } from '../../../src/lib/queue/keys.js';
import { QueueScripts } from '../../../src/lib/queue/lua/script-client.js';
import { useRedis } from '../../support/redis.js';
import { completed, FAILURE, failed, META, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

const soon = () => Date.now() + 600_000;
const due = () => kit.client.zrange(`${kit.tag}:deadlines`, '0', '-1');

/** Entries of deleted jobs, as many as in a busy minute. */
async function leftovers(set: string, count: number, score: number): Promise<void> {
  for (let from = 0; from < count; from += 1000) {
    const members = Array.from({ length: Math.min(1000, count - from) }, (_, i) => [
      score,
      `old-${from + i}`,
    ]);
    await kit.client.zadd(set, ...members.flat().map(String));
  }
}

describe('deadlines', () => {
  it('are removed with the end of their job, however it ends', async () => {
    const consumer = await kit.consumer();
    const deadline = soon();
    const [, , , , , unwanted] = await kit.submit(...Array.from({ length: 6 }, () => ({ deadline })));
    const [a, b, c, d, e] = (await consumer.take(5)) as [never, never, never, never, never];
    expect(await due()).toHaveLength(6);
    await consumer.settle([
      completed(a),
      failed(b),
      { kind: 'expired', job: c, failure: FAILURE, meta: META },
      { kind: 'cancelled', job: d, failure: FAILURE, meta: META },
      { kind: 'retry', job: e, failure: FAILURE, delayMs: 60_000 },
    ]);
    await kit.producer.cancel(kit.queue, unwanted as string);
    expect(await due()).toEqual([(e as { spec: { id: string } }).spec.id]);
  });

  it('of a chunk are removed with a group that is withdrawn', async () => {
    const group = newId('g');
    const spec = { id: chunkId(group, 0), group: { id: group, index: 0, firstRow: 0 }, deadline: soon() };
    await kit.producer.groups.open({ ...kit.spec(), id: group }, 'me');
    await kit.submit(spec as never);
    await kit.producer.cancel(kit.queue, spec.id);
    expect(await due()).toEqual([]);
  });

  it('apply again to a failed job that is retried', async () => {
    const consumer = await kit.consumer();
    const deadline = soon();
    const [id] = (await kit.submit({ deadline })) as [string];
    await consumer.settle([failed(await takeOne(consumer))]);
    expect(await due()).toEqual([]);
    await kit.producer.retry(kit.queue, [id]);
    expect(await kit.client.zscore(`${kit.tag}:deadlines`, id)).toBe(String(deadline));
  });

  it('end a job that waits for its next attempt', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({ deadline: soon() })) as [string];
    const job = await takeOne(consumer);
    await consumer.settle([{ kind: 'retry', job, failure: FAILURE, delayMs: 86_400_000 }]);
    expect(await consumer.expireDue()).toEqual([]);
    await kit.passTime(7_200_000);
    expect(await consumer.expireDue()).toEqual([id]);
    expect((await kit.record(id)).state).toBe('expired');
    expect(await kit.client.zcard(`${kit.base}delayed`)).toBe(0);
  });

  it('are met at once behind 5,000 entries of deleted jobs', async () => {
    const consumer = await kit.consumer();
    await leftovers(`${kit.tag}:deadlines`, 5000, 1);
    const [id] = (await kit.submit({ deadline: 2 })) as [string];
    expect(await consumer.expireDue()).toEqual([id]);
    expect(await due()).toEqual([]);
  });

  it('of any number are processed by one pass of a worker, 200 per script', async () => {
    const consumer = await kit.consumer();
    const ids = await kit.submit(...Array.from({ length: 900 }, (_, i) => ({ deadline: 1 + i })));
    // A client that checks does one script's part, starting with its own job.
    await kit.producer.expireDue(kit.queue, ids[899]);
    expect((await kit.record(ids[899] as string)).state).toBe('expired');
    expect(await due()).toHaveLength(700);
    expect(await consumer.expireDue()).toHaveLength(700);
    expect(await due()).toEqual([]);
  });

  it('are processed in pauses that let Redis serve others, whatever the number of workers', async () => {
    const scripts = new QueueScripts(kit.client, PREFIX, kit.queue);
    await kit.submit(...Array.from({ length: 8 }, () => ({ deadline: 1 })));
    const script = () => scripts.run('inferExpireDue', 3, '{}', 'late', 60, '', 60_000);
    expect(await script()).toHaveLength(1 + 3);
    expect(await due()).toHaveLength(5);
    // The pause for others: another worker's script ends nothing.
    expect(await script()).toEqual([1]);
    expect(await kit.client.pttl(`${kit.tag}:pace:deadlines`)).toBeGreaterThan(0);
    await kit.client.del(`${kit.tag}:pace:deadlines`);
    const [first, second] = await Promise.all([
      (await kit.consumer()).expireDue(),
      (await kit.consumer()).expireDue(),
    ]);
    expect(first.length + second.length).toBe(5);
  });

  it('apply to a job that a worker took and returned', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({ deadline: 1 })) as [string];
    const job = await takeOne(consumer);
    expect(await consumer.expireDue()).toEqual([]);
    expect((await kit.record(id)).state).toBe('active');
    await consumer.settle([{ kind: 'release', job }]);
    await vi.waitFor(
      async () => {
        await kit.producer.expireDue(kit.queue);
        expect((await kit.record(id)).state).toBe('expired');
      },
      { timeout: 60_000 },
    );
    expect(await due()).toEqual([]);
  });
});

describe('indexes of ended jobs', () => {
  it('lose all dead entries in one sweep, however many', async () => {
    const consumer = await kit.consumer();
    for (const set of [
      `${kit.base}completed`,
      `${kit.base}failed`,
      `${kit.tag}:expired`,
      `${kit.tag}:cancelled`,
    ])
      await leftovers(set, 2300, 1);
    await kit.submit({});
    await consumer.settle([completed(await takeOne(consumer))]);
    expect(await consumer.sweep()).toBe(4 * 2300);
    expect(await kit.client.zcard(`${kit.base}completed`)).toBe(1);
  });

  it('lose dead entries behind any number of live ones within twelve sweeps', async () => {
    const consumer = await kit.consumer();
    const ids = await kit.submit(...Array.from({ length: 1100 }, () => ({})));
    for (let left = ids.length; left > 0; ) {
      const jobs = await consumer.take(left);
      await consumer.settle(jobs.map((job) => completed(job, '')));
      left -= jobs.length;
    }
    await leftovers(`${kit.base}completed`, 2300, Date.now() + 60_000);
    let sweeps = 0;
    for (let removed = 0; removed < 2300; sweeps++) removed += await consumer.sweep();
    expect(sweeps).toBeLessThanOrEqual(12);
    expect(await kit.client.zcard(`${kit.base}completed`)).toBe(1100);
    expect(await kit.client.ttl(sweepKey(kit.tag, 'completed'))).toBeGreaterThan(0);
  });

  it('are swept by one worker at a time', async () => {
    const [one, other] = [await kit.consumer(), await kit.consumer()];
    await leftovers(`${kit.base}completed`, 10, 1);
    expect(await one.sweepInTurn()).toBe(10);
    await leftovers(`${kit.base}completed`, 10, 1);
    expect(await other.sweepInTurn()).toBe(0);
    expect(await kit.client.pttl(sweepKey(kit.tag))).toBeGreaterThan(0);
    await kit.client.del(sweepKey(kit.tag));
    expect(await other.sweepInTurn()).toBe(10);
  });
});
