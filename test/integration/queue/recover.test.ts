import { Queue } from 'bullmq';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeNotice } from '../../../src/lib/queue/broker/notice.js';
import { watchEnd } from '../../../src/lib/queue/broker/watch.js';
import { JOB } from '../../../src/lib/queue/wire.js';
import { useRedis } from '../../support/redis.js';
import { BEYOND_TEST_MS, completed, FAILURE, failed, idsOf, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

describe('renewing locks', () => {
  it('extends them, and reports lost ones and those to be cancelled', async () => {
    const consumer = await kit.consumer({ lockMs: 50_000 });
    const [held, lost, unwanted] = (await kit.submit({}, {}, {})) as [string, string, string];
    const jobs = await consumer.take(3);
    await kit.client.pexpire(`${kit.base}${held}:lock`, 5000);
    await kit.loseLock(lost);
    await (await kit.consumer()).recover();
    expect(await kit.producer.cancel(kit.queue, unwanted)).toBe('active');
    const answer = await consumer.renew(jobs);
    expect([idsOf(answer.lost), idsOf(answer.cancelled)]).toEqual([[lost], [unwanted]]);
    expect(await kit.client.pttl(`${kit.base}${held}:lock`)).toBeGreaterThan(45_000);
    expect(await kit.client.pttl(`${kit.base}${unwanted}:lock`)).toBeGreaterThan(45_000);
    expect(await kit.client.exists(`${kit.base}${lost}:lock`)).toBe(0);
    expect(await consumer.renew([])).toEqual({ lost: [], cancelled: [] });
  });
});

describe('a lock that expired while Redis was unreachable', () => {
  it('is renewed as long as no other worker has taken the job', async () => {
    const [holder, other] = [await kit.consumer({ lockMs: 50_000 }), await kit.consumer()];
    const [id] = (await kit.submit({})) as [string];
    const job = await takeOne(holder);
    await kit.loseLock(id);
    expect(await holder.renew([job])).toEqual({ lost: [], cancelled: [] });
    expect(await kit.client.pttl(`${kit.base}${id}:lock`)).toBeGreaterThan(45_000);
    expect(await other.recover()).toEqual({ requeued: [], poisoned: [] });
  });
});

describe('recovery', () => {
  it('requeues a lost job in front of its own priority, behind more urgent ones', async () => {
    const [dead, alive] = [await kit.consumer(), await kit.consumer()];
    const [lost, same] = await kit.submit({ priority: 5 }, { priority: 5 });
    await takeOne(dead);
    const [urgent, low] = await kit.submit({ priority: 9 }, { priority: 2 });
    await kit.loseLock(lost as string);
    expect(await alive.recover()).toEqual({ requeued: [lost], poisoned: [] });
    expect(await kit.record(lost as string)).toMatchObject({ state: 'waiting', priority: 5 });
    const order = await alive.take(10);
    expect(idsOf(order)).toEqual([urgent, lost, same, low]);
    expect(order[1]).toMatchObject({ attempt: 2, stalls: 1, failures: 0 });
  });

  it('leaves jobs with a live lock alone, and wakes an idle consumer for the others', async () => {
    const [one, two] = [await kit.consumer(), await kit.consumer()];
    const [a, b] = await kit.submit({}, {});
    await one.take(2);
    expect(await two.recover()).toEqual({ requeued: [], poisoned: [] });
    await kit.client.del(`${kit.base}marker`);
    const woken = two.waitForWork(BEYOND_TEST_MS, new AbortController().signal);
    await kit.loseLock(b as string);
    expect((await one.recover()).requeued).toEqual([b]);
    await woken;
    expect(idsOf(await two.take(5))).toEqual([b]);
    expect(await kit.states([a as string])).toEqual(['active']);
  });

  it('requeues a job once its lock has expired', async () => {
    const [dead, alive] = [await kit.consumer({ lockMs: 30 }), await kit.consumer()];
    const [id] = await kit.submit({});
    await takeOne(dead);
    await expect.poll(async () => (await alive.recover()).requeued, { interval: 10 }).toEqual([id]);
  });

  it('fails a job as poison at the third loss, and tells its waiters', async () => {
    const consumer = await kit.consumer();
    const list = `${kit.tag}:reply:me`;
    const [id] = (await kit.submit({ reply: list })) as [string];
    const late = `${kit.tag}:reply:late`;
    expect(await watchEnd(kit.client, PREFIX, kit.queue, id, late, 'job')).toBe('pending');
    for (const round of [1, 2, 3]) {
      expect((await takeOne(consumer)).stalls).toBe(round - 1);
      await kit.loseLock(id);
      const expected = round < 3 ? { requeued: [id], poisoned: [] } : { requeued: [], poisoned: [id] };
      expect(await consumer.recover()).toEqual(expected);
    }
    const record = await kit.record(id);
    expect(record).toMatchObject({ state: 'failed', attempts: 3, failure: { code: 'POISON' } });
    for (const reply of [list, late]) {
      const notice = await kit.client.lpopBuffer(reply);
      expect(decodeNotice(notice as Buffer).notice).toMatchObject({
        id,
        state: 'failed',
        failure: { code: 'POISON' },
      });
    }
    expect(await consumer.take(1)).toEqual([]);
    expect(await kit.client.ttl(kit.base + id)).toBeGreaterThan(7000);
  });

  it('ends a lost job whose cancellation was requested', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({})) as [string];
    await takeOne(consumer);
    await kit.producer.cancel(kit.queue, id);
    await kit.loseLock(id);
    await consumer.recover();
    expect(await kit.states([id])).toEqual(['cancelled']);
  });

  it('drops an active entry whose job no longer exists', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({})) as [string];
    await takeOne(consumer);
    await kit.client.del(kit.base + id, `${kit.base}${id}:lock`);
    expect(await consumer.recover()).toEqual({ requeued: [], poisoned: [] });
    expect(await kit.client.llen(`${kit.base}active`)).toBe(0);
  });
});

describe('cancelling', () => {
  it('ends a waiting or delayed job at once', async () => {
    const consumer = await kit.consumer();
    const list = `${kit.tag}:reply:me`;
    const [later, now] = (await kit.submit({ reply: list }, { input: Buffer.alloc(5000) })) as [
      string,
      string,
    ];
    await consumer.settle([
      { kind: 'retry', job: await takeOne(consumer), failure: FAILURE, delayMs: 60_000 },
    ]);
    for (const id of [later, now]) {
      expect(await kit.producer.cancel(kit.queue, id)).toBe('cancelled');
      expect(await kit.record(id)).toMatchObject({ state: 'cancelled', failure: { code: 'CANCELLED' } });
      expect(await kit.producer.cancel(kit.queue, id)).toBe('cancelled');
    }
    expect(await kit.client.exists(kit.inputKey(now))).toBe(0);
    expect(await kit.client.zcard(`${kit.tag}:cancelled`)).toBe(2);
    const notice = decodeNotice((await kit.client.lpopBuffer(list)) as Buffer).notice;
    expect(notice).toMatchObject({ id: later, state: 'cancelled', failure: { code: 'CANCELLED' } });
    await kit.passTime(120_000);
    expect(await consumer.take(10)).toEqual([]);
  });

  it('asks the worker of an active job, and recognises ended and unknown ones', async () => {
    const consumer = await kit.consumer();
    const [done, bad] = (await kit.submit({}, {})) as [string, string];
    const jobs = (await consumer.take(2)) as [never, never];
    expect(await kit.producer.cancel(kit.queue, done)).toBe('active');
    await consumer.settle([completed(jobs[0]), failed(jobs[1])]);
    expect(await kit.producer.cancel(kit.queue, done)).toBe('completed');
    expect(await kit.producer.cancel(kit.queue, bad)).toBe('failed');
    expect(await kit.producer.cancel(kit.queue, 'never-was')).toBeUndefined();
  });

  it('ends an active job whose run fails, and counts that run', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({})) as [string];
    const job = await takeOne(consumer);
    expect(await kit.producer.cancel(kit.queue, id)).toBe('active');
    await consumer.settle([{ kind: 'retry', job, failure: FAILURE, delayMs: 60_000 }]);
    expect(await kit.record(id)).toMatchObject({ state: 'cancelled', attempts: 1 });
    expect(await kit.client.hmget(kit.base + id, JOB.attemptsStarted, JOB.attemptsMade)).toEqual(['1', '1']);
    expect(await kit.client.zcard(`${kit.base}delayed`)).toBe(0);
  });

  it('ends a waiting job that other BullMQ code added', async () => {
    const queue = new Queue(kit.queue, { connection: kit.client, prefix: kit.tag, skipVersionCheck: true });
    await queue.add('theirs', { any: 1 }, { jobId: 'theirs-1' });
    await queue.add('theirs', 'text', { jobId: 'theirs-2', priority: 4 });
    for (const id of ['theirs-1', 'theirs-2']) {
      expect(await kit.producer.cancel(kit.queue, id)).toBe('cancelled');
      expect(await kit.states([id])).toEqual(['cancelled']);
    }
    await queue.close();
  });
});
