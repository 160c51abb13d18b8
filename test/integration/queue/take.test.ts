import { Queue } from 'bullmq';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TakeRoom } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { BEYOND_TEST_MS, completed, failed, idsOf, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
const never = new AbortController().signal;
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

const LARGE = Buffer.alloc(5000, 7);

describe('taking jobs', () => {
  it('follows priority, then first come first served, whatever the order of submission', async () => {
    const consumer = await kit.consumer();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 7 }),
        async (priorities, step) => {
          const ids = await kit.submit(...priorities.map((priority) => ({ priority })));
          const expected = ids
            .map((id, i) => ({ id, priority: priorities[i] as number, i }))
            .sort((a, b) => b.priority - a.priority || a.i - b.i)
            .map((job) => job.id);
          const taken: string[] = [];
          for (let jobs = await consumer.take(step); jobs.length > 0; jobs = await consumer.take(step)) {
            expect(jobs.length).toBeLessThanOrEqual(step);
            taken.push(...idsOf(jobs));
            await consumer.settle(jobs.map((job) => completed(job)));
          }
          expect(taken).toEqual(expected);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('with a floor takes only more urgent jobs', async () => {
    const consumer = await kit.consumer();
    const [, , five, nine] = await kit.submit(
      { priority: 0 },
      { priority: 4 },
      { priority: 5 },
      { priority: 9 },
    );
    expect(idsOf(await consumer.take(10, 4))).toEqual([nine, five]);
    expect(await consumer.take(10, 4)).toEqual([]);
    expect(await consumer.take(10, 9)).toEqual([]);
    expect(await consumer.take(10)).toHaveLength(2);
  });

  it('does not treat a job returned to the front of a priority as more urgent than that priority', async () => {
    const consumer = await kit.consumer();
    await kit.submit({ priority: 4 });
    await consumer.settle([{ kind: 'release', job: await takeOne(consumer) }]);
    expect(await consumer.take(10, 4)).toEqual([]);
    expect(await consumer.take(10, 3)).toHaveLength(1);
  });

  it('stops at the requested number of rows, and always takes one job', async () => {
    const consumer = await kit.consumer();
    const ids = await kit.submit({ rows: 3 }, { rows: 3 }, { rows: 3 }, { rows: 100 });
    expect(idsOf(await consumer.take(4))).toEqual(ids.slice(0, 2));
    expect(idsOf(await consumer.take(3))).toEqual(ids.slice(2, 3));
    expect(idsOf(await consumer.take(1))).toEqual(ids.slice(3));
  });

  describe('with capacity counted in runs', () => {
    const room = (more: Partial<TakeRoom>): TakeRoom => ({
      ...{ idle: 0, ahead: 0, horizonMs: 100, jobs: 128 },
      runs: new Map([
        ['slow', { rows: 1, ms: 2000 }],
        ['quick', { rows: 4, ms: 10 }],
        ['new', { rows: 4, ms: undefined }],
      ]),
      ...more,
    });
    const serving = async () => {
      const consumer = await kit.consumer();
      consumer.serve(['slow', 'quick', 'new']);
      return consumer;
    };

    it("fills idle runners with a run's worth of rows, however long a run takes", async () => {
      const consumer = await serving();
      const ids = await kit.submit(...Array.from({ length: 4 }, () => ({ model: 'slow' })));
      const quick = await kit.submit(...Array.from({ length: 6 }, () => ({ model: 'quick' })));
      expect(idsOf(await consumer.take(room({ idle: 2 })))).toEqual(ids.slice(0, 2));
      expect([consumer.more, consumer.full]).toEqual([true, true]);
      // Two slow ones make two runs, and four quick ones the third.
      expect(idsOf(await consumer.take(room({ idle: 3 })))).toEqual([...ids.slice(2), ...quick.slice(0, 4)]);
      expect(idsOf(await consumer.take(room({ idle: 1 })))).toEqual(quick.slice(4));
      expect([consumer.more, consumer.full]).toEqual([false, false]);
    });

    it('prefetches quick jobs and stops at a slow one, which later jobs do not overtake', async () => {
      const consumer = await serving();
      const other = await serving();
      const quick = await kit.submit(...Array.from({ length: 6 }, () => ({ model: 'quick' })));
      const [slow, unknown] = await kit.submit({ model: 'slow' }, { model: 'new' });
      const last = await kit.submit({ model: 'quick' });
      expect(idsOf(await consumer.take(room({ ahead: 1 })))).toEqual(quick.slice(0, 4));
      expect(idsOf(await consumer.take(room({ ahead: 2 })))).toEqual(quick.slice(4));
      expect([consumer.more, consumer.full]).toEqual([true, true]);
      expect(await consumer.take(room({ ahead: 2 }))).toEqual([]);
      // What it left wakes an idle one.
      await other.waitForWork(20_000, never);
      expect(idsOf(await other.take(room({ idle: 1 })))).toEqual([slow]);
      // Neither is one of an unknown model prefetched.
      expect(await consumer.take(room({ ahead: 2 }))).toEqual([]);
      expect(idsOf(await other.take(room({ idle: 1 })))).toEqual([unknown, ...last]);
    });

    it('weighs a job of many rows by the number of its runs', async () => {
      const consumer = await serving();
      const [large, small] = await kit.submit({ model: 'quick', rows: 400 }, { model: 'quick', rows: 40 });
      // 100 runs of 10 ms exceed 100 ms; 10 do not.
      expect(await consumer.take(room({ ahead: 1 }))).toEqual([]);
      expect(idsOf(await consumer.take(room({ idle: 1 })))).toEqual([large]);
      expect(idsOf(await consumer.take(room({ ahead: 1 })))).toEqual([small]);
    });

    it('takes no more than the maximum number of jobs', async () => {
      const consumer = await serving();
      await kit.submit(...Array.from({ length: 4 }, () => ({ model: 'quick' })));
      expect(await consumer.take(room({ idle: 1, jobs: 3 }))).toHaveLength(3);
      expect([consumer.more, consumer.full]).toEqual([true, false]);
    });
  });

  it('delivers inputs of any bytes, small ones in the job and large ones in their own key', async () => {
    const consumer = await kit.consumer();
    const small = Buffer.from([0, 255, 128, 10]);
    const [a, b] = await kit.submit({ input: small }, { input: LARGE });
    expect(await kit.client.exists(kit.inputKey(a as string))).toBe(0);
    expect(await kit.client.ttl(kit.inputKey(b as string))).toBe(-1);
    const jobs = await consumer.take(2);
    expect(jobs.map((job) => Buffer.from(job.input))).toEqual([small, LARGE]);
    expect(jobs[0]).toMatchObject({ attempt: 1, failures: 0, stalls: 0, spec: { id: a, queue: kit.queue } });
    await consumer.settle(jobs.map((job) => completed(job)));
    expect(await kit.client.exists(kit.inputKey(b as string))).toBe(0);
    expect(await kit.client.hget(kit.base + a, 'data')).not.toContain(small.toString('base64'));
  });

  it('keeps the input of a failed job as long as the job, so that it can be retried', async () => {
    const consumer = await kit.consumer();
    const [id] = await kit.submit({ input: LARGE });
    await consumer.settle([failed(await takeOne(consumer))]);
    expect(await kit.client.ttl(kit.inputKey(id as string))).toBeGreaterThan(7190);
    expect(await kit.client.ttl(kit.base + id)).toBeGreaterThan(7190);
  });

  it('keeps the input of a retried job as long as it waits and runs', async () => {
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({ input: LARGE })) as [string];
    await consumer.settle([failed(await takeOne(consumer))]);
    expect(await kit.producer.retry(kit.queue, [id])).toBe(1);
    const ttls = () => Promise.all([kit.base + id, kit.inputKey(id)].map((key) => kit.client.ttl(key)));
    expect(await ttls()).toEqual([-1, -1]);
    const again = await takeOne(consumer);
    expect([Buffer.from(again.input), await ttls()]).toEqual([LARGE, [-1, -1]]);
    await consumer.settle([completed(again)]);
    expect(await kit.client.exists(kit.inputKey(id))).toBe(0);
  });

  it('locks each job with a new token each time', async () => {
    const consumer = await kit.consumer();
    await kit.submit({}, {});
    const first = await takeOne(consumer);
    const second = await takeOne(consumer);
    expect(first.token).not.toBe(second.token);
    for (const job of [first, second]) {
      expect(await kit.client.get(`${kit.base}${job.spec.id}:lock`)).toBe(job.token);
      expect(await kit.client.pttl(`${kit.base}${job.spec.id}:lock`)).toBeGreaterThan(59_000);
    }
    expect(await kit.client.lrange(`${kit.base}active`, 0, -1)).toHaveLength(2);
  });

  it('delivers each job once, however many consumers ask', async () => {
    const consumers = await Promise.all([kit.consumer(), kit.consumer(), kit.consumer()]);
    const ids = await kit.submit(...Array.from({ length: 60 }, () => ({})));
    const taken = await Promise.all(
      Array.from({ length: 30 }, (_, i) => (consumers[i % 3] as (typeof consumers)[0]).take(3)),
    );
    expect(taken.flatMap(idsOf).sort()).toEqual([...ids].sort());
  });

  it('returns a job once although its id was added twice', async () => {
    const consumer = await kit.consumer();
    const job = { spec: kit.spec({ id: 'order-1' }), input: Buffer.from('first') };
    const again = { ...job, input: Buffer.from('second') };
    expect(await kit.producer.submit(kit.queue, [job], true)).toEqual([{ id: 'order-1', duplicate: false }]);
    expect(await kit.producer.submit(kit.queue, [again], true)).toEqual([{ id: 'order-1', duplicate: true }]);
    await kit.producer.submit(kit.queue, [again], false);
    const jobs = await consumer.take(10);
    expect(jobs.map((one) => String(one.input))).toEqual(['first']);
  });

  it('takes nothing from a paused queue, and delivers at once when it is resumed', async () => {
    const consumer = await kit.consumer();
    await kit.producer.setPaused(kit.queue, true);
    await kit.submit({}, {});
    expect(await consumer.take(10)).toEqual([]);
    const asleep = performance.now();
    const woken = consumer.waitForWork(BEYOND_TEST_MS, never);
    await kit.producer.setPaused(kit.queue, false);
    await woken;
    expect(performance.now() - asleep).toBeLessThan(15_000);
    expect(await consumer.take(10)).toHaveLength(2);
  });

  it('takes a job that other BullMQ code added, which can be failed cleanly', async () => {
    const consumer = await kit.consumer();
    const queue = new Queue(kit.queue, { connection: kit.client, prefix: kit.tag, skipVersionCheck: true });
    await queue.add('theirs', { any: 'thing' });
    await queue.add('theirs', 'text', { priority: 3 });
    const jobs = await consumer.take(10);
    expect(jobs.map((job) => [job.spec.model, job.input.length])).toEqual([
      [undefined, 0],
      [undefined, 0],
    ]);
    expect(await consumer.settle(jobs.map(failed))).toEqual([true, true]);
    expect(await kit.states(idsOf(jobs))).toEqual(['failed', 'failed']);
    await queue.close();
  });
});

describe('waitForWork', () => {
  it('wakes when a job arrives', async () => {
    const consumer = await kit.consumer();
    expect(await consumer.take(1)).toEqual([]);
    const woken = consumer.waitForWork(BEYOND_TEST_MS, never);
    await kit.submit({});
    await woken;
    expect(await consumer.take(1)).toHaveLength(1);
  });

  it('passes the wake-up on while work is left', async () => {
    const [one, two] = [await kit.consumer(), await kit.consumer()];
    const both = [one.waitForWork(BEYOND_TEST_MS, never), two.waitForWork(BEYOND_TEST_MS, never)];
    await kit.submit({}, {});
    await Promise.race(both);
    expect(await one.take(1)).toHaveLength(1);
    await Promise.all(both);
    expect(await two.take(1)).toHaveLength(1);
  });

  it('ends on its signal, its timeout and the close of its consumer', async () => {
    const consumer = await kit.consumer();
    const from = performance.now();
    await consumer.waitForWork(20, never);
    // It waited at all: a timer of Redis may be a few milliseconds early.
    expect(performance.now() - from).toBeGreaterThan(10);
    const stop = new AbortController();
    let ended = false;
    const waiting = consumer.waitForWork(BEYOND_TEST_MS, stop.signal).then(() => {
      ended = true;
    });
    await kit.client.ping();
    expect(ended).toBe(false);
    stop.abort();
    await waiting;
    await consumer.waitForWork(BEYOND_TEST_MS, stop.signal);
    await consumer.close();
    await consumer.waitForWork(BEYOND_TEST_MS, never);
    expect(ended).toBe(true);
  });

  it('passes the wake-up to others when its consumer closes', async () => {
    const [leaving, staying] = [await kit.consumer(), await kit.consumer()];
    await kit.submit({}, {});
    await leaving.waitForWork(BEYOND_TEST_MS, never);
    await leaving.close();
    const woken = staying.waitForWork(BEYOND_TEST_MS, never);
    await woken;
    expect(await staying.take(1)).toHaveLength(1);
  });
});

describe('large inputs', () => {
  it('are taken 16 MB at a time, and at least one', async () => {
    const consumer = await kit.consumer();
    const input = new Uint8Array(6 * 1024 * 1024);
    await kit.submit({ input }, { input }, { input }, { input });
    expect(await consumer.take(100)).toHaveLength(3);
    expect(consumer.more).toBe(true);
    expect(await consumer.take(100)).toHaveLength(1);
    expect(consumer.more).toBe(false);
  });
});
