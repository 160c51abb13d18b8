import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerResults } from '../../../src/lib/queue/broker/result-store.js';
import { expiredKey } from '../../../src/lib/queue/keys.js';
import { useRedis } from '../../support/redis.js';
import {
  BEYOND_TEST_MS,
  completed,
  FAILURE,
  failed,
  idsOf,
  META,
  PREFIX,
  QueueKit,
  takeOne,
} from './queue-kit.js';

const redis = useRedis();
const never = new AbortController().signal;
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

const result = async (id: string) => String(await new BrokerResults(kit.client, PREFIX).read(kit.queue, id));

describe('settling', () => {
  it('stores result and record together with the end, for exactly their TTL', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({ resultTtl: 600, priority: 3 })) as [string];
    expect(await consumer.settle([completed(await takeOne(consumer), 'mine')])).toEqual([true]);
    expect(await result(id)).toBe('mine');
    for (const key of [kit.resultKey(id), kit.base + id]) {
      const ttl = await kit.client.pttl(key);
      expect(ttl).toBeGreaterThan(598_000);
      expect(ttl).toBeLessThanOrEqual(600_000);
    }
    expect(await kit.record(id)).toMatchObject({ state: 'completed', priority: 3, attempts: 1, meta: META });
    expect(await kit.client.llen(`${kit.base}active`)).toBe(0);
    expect(await kit.client.exists(`${kit.base}${id}:lock`)).toBe(0);
  });

  it('stores no result for --result-ttl 0, and keeps the record for a minute', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({ resultTtl: 0 })) as [string];
    await consumer.settle([completed(await takeOne(consumer))]);
    expect(await kit.client.exists(kit.resultKey(id))).toBe(0);
    expect(await kit.client.ttl(kit.base + id)).toBeGreaterThan(55);
    expect(await kit.states([id])).toEqual(['completed']);
  });

  it('refuses the late outcome of a worker that lost the job: there is one result, which never changes', async () => {
    const [slow, quick] = [await kit.consumer(), await kit.consumer()];
    const [id] = (await kit.submit({})) as [string];
    const lost = await takeOne(slow);
    await kit.loseLock(id);
    await quick.recover();
    expect(await slow.settle([completed(lost, 'too late')])).toEqual([false]);
    expect(await kit.client.exists(kit.resultKey(id))).toBe(0);
    const again = await takeOne(quick);
    expect(again).toMatchObject({ attempt: 2, stalls: 1 });
    expect(await slow.settle([completed(lost, 'too late')])).toEqual([false]);
    expect(await kit.client.exists(kit.resultKey(id))).toBe(0);
    expect(await quick.settle([completed(again, 'good')])).toEqual([true]);
    for (const late of [completed(lost, 'too late'), failed(lost), { kind: 'release' as const, job: lost }]) {
      expect(await slow.settle([late])).toEqual([false]);
    }
    expect(await result(id)).toBe('good');
    expect(await kit.states([id])).toEqual(['completed']);
    expect(await kit.client.zcard(`${kit.base}prioritized`)).toBe(0);
  });

  it('accepts the outcome after the lock expired if no one recovered the job: the work is not discarded', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({})) as [string];
    const job = await takeOne(consumer);
    await kit.loseLock(id);
    expect(await consumer.settle([completed(job, 'in time')])).toEqual([true]);
    expect(await result(id)).toBe('in time');
    expect(await kit.states([id])).toEqual(['completed']);
  });

  it('changes nothing and answers the same when sent again after a lost connection', async () => {
    const consumer = await kit.consumer();
    const [done, back, later] = (await kit.submit({}, {}, {})) as [string, string, string];
    const jobs = await consumer.take(3);
    const settlements = [
      completed(jobs[0] as (typeof jobs)[0]),
      { kind: 'release' as const, job: jobs[1] as (typeof jobs)[0] },
      { kind: 'retry' as const, job: jobs[2] as (typeof jobs)[0], failure: FAILURE, delayMs: 60_000 },
    ];
    expect(await consumer.settle(settlements)).toEqual([true, true, true]);
    const before = await Promise.all([done, back, later].map((id) => kit.record(id)));
    expect(await consumer.settle(settlements)).toEqual([true, true, true]);
    expect(await Promise.all([done, back, later].map((id) => kit.record(id)))).toEqual(before);
    expect(await kit.client.zcard(`${kit.base}prioritized`)).toBe(1);
    expect(await kit.client.hmget(kit.base + later, 'atm', 'ats')).toEqual(['1', '1']);
    expect(await kit.client.hget(kit.base + back, 'ats')).toBe('0');
  });

  it('ends many jobs at once, each fenced by its own lock', async () => {
    const consumer = await kit.consumer();
    const ids = await kit.submit(...Array.from({ length: 9 }, () => ({})));
    const jobs = await consumer.take(9);
    await Promise.all([ids[2], ids[5]].map((id) => kit.loseLock(id as string)));
    await (await kit.consumer()).recover();
    const answers = await consumer.settle(jobs.map((job) => completed(job)));
    expect(answers).toEqual(ids.map((_, i) => i !== 2 && i !== 5));
  });

  it('ends jobs as failed with a partial result, expired or cancelled', async () => {
    const consumer = await kit.consumer();
    const ids = (await kit.submit({}, {}, {})) as [string, string, string];
    const [a, b, c] = (await consumer.take(3)) as [never, never, never];
    const failure = { code: 'EXPIRED', message: 'late' };
    await consumer.settle([
      { kind: 'failed', job: a, failure: FAILURE, meta: META, partial: Buffer.from('half') },
      { kind: 'expired', job: b, failure, meta: META },
      { kind: 'cancelled', job: c, failure: { code: 'CANCELLED', message: 'x' }, meta: META },
    ]);
    expect(await kit.states(ids)).toEqual(['failed', 'expired', 'cancelled']);
    expect(await result(ids[0])).toBe('half');
    expect((await kit.record(ids[0])).failure).toEqual(FAILURE);
    expect((await kit.record(ids[1])).failure).toEqual(failure);
    expect(await kit.client.zscore(expiredKey(kit.tag), ids[1])).not.toBeNull();
    expect(await kit.client.exists(kit.resultKey(ids[1]), kit.resultKey(ids[2]))).toBe(0);
  });
});

describe('releasing', () => {
  it('returns a job to the front of its own priority, behind more urgent ones, without counting an attempt', async () => {
    const consumer = await kit.consumer();
    const [first, second] = await kit.submit({ priority: 5 }, { priority: 5 });
    const job = await takeOne(consumer);
    const [urgent, low] = await kit.submit({ priority: 6 }, { priority: 4 });
    expect(await consumer.settle([{ kind: 'release', job }])).toEqual([true]);
    expect(await kit.states([first as string])).toEqual(['waiting']);
    const order = await consumer.take(4);
    expect(idsOf(order)).toEqual([urgent, first, second, low]);
    expect(order[1]).toMatchObject({ attempt: 1, failures: 0, stalls: 0 });
  });

  it('wakes an idle consumer', async () => {
    const [holder, idle] = [await kit.consumer(), await kit.consumer()];
    await kit.submit({});
    const job = await takeOne(holder);
    await kit.client.del(`${kit.base}marker`);
    const woken = idle.waitForWork(BEYOND_TEST_MS, never);
    await holder.settle([{ kind: 'release', job }]);
    await woken;
    expect(await idle.take(1)).toHaveLength(1);
  });
});

describe('retrying', () => {
  it('waits its delay as delayed, then returns the job at its priority and shows its failure', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({ priority: 5 })) as [string];
    const job = await takeOne(consumer);
    await consumer.settle([{ kind: 'retry', job, failure: FAILURE, delayMs: 30_000 }]);
    const record = await kit.record(id);
    expect(record).toMatchObject({ state: 'delayed', attempts: 1, failure: FAILURE });
    expect((record.runAt as number) - Date.now()).toBeGreaterThan(29_000);
    expect(await consumer.take(10)).toEqual([]);

    await kit.passTime(25_000);
    expect(await consumer.take(10)).toEqual([]);
    const [low, same, high] = await kit.submit({ priority: 4 }, { priority: 5 }, { priority: 6 });
    await kit.passTime(6000);
    const back = await consumer.take(10);
    expect(idsOf(back)).toEqual([high, same, id, low]);
    expect(back[2]).toMatchObject({ attempt: 2, failures: 1 });
  });

  it.each([3_600_000, -3_600_000])(
    'counts the delay on Redis’s clock when its worker is %d ms off',
    async (ms) => {
      kit.offsetMs = ms;
      const consumer = await kit.consumer();
      const [id] = (await kit.submit({})) as [string];
      await consumer.settle([
        { kind: 'retry', job: await takeOne(consumer), failure: FAILURE, delayMs: 30_000 },
      ]);
      const { runAt } = await kit.record(id);
      expect(Math.abs((runAt as number) - Date.now() - 30_000)).toBeLessThan(20_000);
      await kit.submit({ deadline: Date.now() + 600_000 });
      expect(await consumer.expireDue()).toEqual([]);
      expect(await consumer.take(10)).toHaveLength(1);
      await kit.passTime(60_000);
      expect(idsOf(await consumer.take(10))).toEqual([id]);
    },
  );

  it('wakes an idle consumer when the delay is over, not earlier and not much later', async () => {
    const consumer = await kit.consumer();
    await kit.submit({});
    const job = await takeOne(consumer);
    const settledAt = performance.now();
    await consumer.settle([{ kind: 'retry', job, failure: FAILURE, delayMs: 300 }]);
    let rounds = 0;
    let back = await consumer.take(1);
    while (back.length === 0) {
      await consumer.waitForWork(BEYOND_TEST_MS, never);
      back = await consumer.take(1);
      rounds += 1;
    }
    expect(performance.now() - settledAt).toBeGreaterThan(295);
    expect(performance.now() - settledAt).toBeLessThan(15_000);
    // A consumer that polls Redis while waiting would need hundreds.
    expect(rounds).toBeLessThanOrEqual(4);
  });

  it('without a delay returns the job to the front of its priority at once', async () => {
    const consumer = await kit.consumer();
    const [id] = await kit.submit({}, {});
    const job = await takeOne(consumer);
    await consumer.settle([{ kind: 'retry', job, failure: FAILURE, delayMs: 0 }]);
    expect(await takeOne(consumer)).toMatchObject({ spec: { id }, attempt: 2, failures: 1 });
  });

  it('leaves no failure on a job that completes later', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({})) as [string];
    await consumer.settle([{ kind: 'retry', job: await takeOne(consumer), failure: FAILURE, delayMs: 0 }]);
    await consumer.settle([completed(await takeOne(consumer))]);
    const record = await kit.record(id);
    expect(record).toMatchObject({ state: 'completed', attempts: 2 });
    expect(record.failure).toBeUndefined();
  });
});
