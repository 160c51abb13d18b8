import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chunkId, newId } from '../../../src/lib/core/job.js';
import { decodeNotice } from '../../../src/lib/queue/broker/notice.js';
import { purge } from '../../../src/lib/queue/broker/purge.js';
import { watchEnd } from '../../../src/lib/queue/broker/watch.js';
import { readGroup } from '../../../src/lib/queue/read/reader.js';
import { useRedis } from '../../support/redis.js';
import { completed, failed, PREFIX, QueueKit, takeOne } from '../queue/queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

const NOT_STARTED = ['waiting', 'delayed'] as const;
const empty = async (states: Parameters<typeof purge>[3]['states'] = NOT_STARTED, now = Date.now()) =>
  (await purge(kit.client, PREFIX, kit.queue, { states, now })).jobs;

/** How often a command ran, and Lua scripts among them. */
async function calls(name: string): Promise<number> {
  const info = await kit.client.info('commandstats');
  return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(info)?.[1] ?? 0);
}

describe('purging jobs that have not started', () => {
  it('cancels them, tells their waiters, deletes inputs and deadlines, and leaves running jobs alone', async () => {
    const consumer = await kit.consumer();
    const [running] = await kit.submit({ priority: 9 });
    const job = await takeOne(consumer);
    const [waiting, asked, late] = await kit.submit(
      { reply: `${kit.tag}:reply:me`, input: Buffer.alloc(10_000) },
      { priority: 4 },
      { deadline: Date.now() + 60_000 },
    );
    await watchEnd(kit.client, PREFIX, kit.queue, asked as string, `${kit.tag}:reply:other`, 'job');
    const [retried] = await kit.submit({ priority: 8 });
    const again = await takeOne(consumer);
    const failure = { code: 'RUNNER_DIED', message: 'died' };
    await consumer.settle([{ kind: 'retry', job: again, failure, delayMs: 60_000 }]);

    expect(await empty()).toEqual({ waiting: 3, delayed: 1 });
    expect(await kit.states([running, waiting, asked, late, retried] as string[])).toEqual([
      'active',
      ...Array(4).fill('cancelled'),
    ]);
    for (const list of ['me', 'other']) {
      const notice = await kit.client.lpopBuffer(`${kit.tag}:reply:${list}`);
      expect(decodeNotice(notice as Buffer).notice).toMatchObject({ state: 'cancelled' });
    }
    expect(await kit.client.exists(kit.inputKey(waiting as string))).toBe(0);
    expect(await kit.client.hget(kit.base + asked, 'data')).not.toContain('"i"');
    expect(await kit.client.exists(`${kit.tag}:deadlines`)).toBe(0);
    expect(await consumer.settle([completed(job)])).toEqual([true]);
    expect(await empty()).toEqual({ waiting: 0, delayed: 0 });
  });

  it('counts chunks in their group, and ends it', async () => {
    const id = newId('g');
    await kit.producer.groups.open({ id, queue: kit.queue, model: 'm', priority: 0, resultTtl: 600 }, 'me');
    const group = (index: number) => ({ id, index, firstRow: index * 10 });
    const chunks = [0, 1, 2].map((index) => ({ id: chunkId(id, index), rows: 10, group: group(index) }));
    await kit.submit(...chunks);
    await kit.producer.groups.close(kit.queue, id, 'me', { rows: 30, jobs: 3 });
    const consumer = await kit.consumer();
    const [job] = await consumer.take(10);
    if (job === undefined) throw new Error('nothing taken');
    await empty();
    expect(await readGroup(kit.client, PREFIX, kit.queue, id)).toMatchObject({
      state: 'active',
      jobsFailed: 2,
    });
    await consumer.settle([completed(job)]);
    expect(await readGroup(kit.client, PREFIX, kit.queue, id)).toMatchObject({
      state: 'failed',
      jobsCompleted: 1,
      jobsFailed: 2,
      rowsDone: 10,
    });
  });

  it('leaves alone jobs submitted meanwhile, also those in front of the rest', async () => {
    await kit.submit(...Array.from({ length: 250 }, () => ({})));
    const now = Date.now();
    const later = await kit.submit(...Array.from({ length: 150 }, () => ({ priority: 9 })));
    for (const id of later) await kit.client.hset(kit.base + id, 'timestamp', now + 1000);
    expect(await empty(NOT_STARTED, now)).toEqual({ waiting: 250, delayed: 0 });
    expect(new Set(await kit.states(later))).toEqual(new Set(['waiting']));
  });

  it('purges 20,000 jobs in small scripts, between which Redis serves others', async () => {
    for (let i = 0; i < 20; i++) await kit.submit(...Array.from({ length: 1000 }, () => ({})));
    const other = await redis.client();
    let purging = true;
    let served = 0;
    const watch = (async () => {
      let last = await other.zcard(`${kit.base}prioritized`);
      while (purging) {
        const now = await other.zcard(`${kit.base}prioritized`);
        if (now < last && now > 0) served += 1;
        last = now;
      }
    })();
    const scripts = await calls('evalsha');
    const steps: number[] = [];
    const done = await purge(kit.client, PREFIX, kit.queue, {
      states: ['waiting'],
      now: Date.now(),
      onProgress: (jobs) => steps.push(jobs),
    });
    purging = false;
    await watch;
    expect(done).toEqual({ jobs: { waiting: 20_000 }, newer: 0 });
    // One script each, none for more than 25 jobs.
    const growth = steps.map((jobs, i) => jobs - (steps[i - 1] ?? 0));
    expect(Math.max(...growth)).toBe(25);
    expect((await calls('evalsha')) - scripts).toBeGreaterThanOrEqual(800);
    expect(served).toBeGreaterThan(20);
  });
});

it('purging works on a full Redis that rejects writes', async () => {
  const ids = await kit.submit(...Array.from({ length: 300 }, () => ({ input: Buffer.alloc(5000) })));
  const used = /used_memory:(\d+)/.exec(await kit.client.info('memory'))?.[1] as string;
  await kit.client.config('SET', 'maxmemory', used);
  try {
    await expect(kit.client.set('more', 'x')).rejects.toThrow(/^OOM/);
    expect(await empty()).toEqual({ waiting: 300, delayed: 0 });
    expect(await kit.client.exists(...ids.map((id) => kit.inputKey(id)))).toBe(0);
  } finally {
    await kit.client.config('SET', 'maxmemory', '0');
  }
});

describe('purging ended jobs', () => {
  it('deletes records, inputs and results of the named states, and no others', async () => {
    const consumer = await kit.consumer();
    const ids = await kit.submit({}, {}, {});
    const jobs = [await takeOne(consumer), await takeOne(consumer)];
    const [good, bad] = jobs as [(typeof jobs)[0], (typeof jobs)[0]];
    await consumer.settle([completed(good), failed(bad)]);
    await kit.producer.cancel(kit.queue, ids[2] as string);
    expect(await empty(['failed', 'cancelled'])).toEqual({ failed: 1, cancelled: 1 });
    expect(await kit.client.exists(kit.base + bad.spec.id, kit.base + ids[2])).toBe(0);
    expect((await kit.record(good.spec.id)).state).toBe('completed');
    expect(await empty(['completed'])).toEqual({ completed: 1 });
    expect(await kit.client.exists(kit.base + good.spec.id, kit.resultKey(good.spec.id))).toBe(0);
    const all = (await kit.client.call('KEYS', `*${kit.queue}}*`)) as string[];
    // What is kept for resent requests expires.
    const left = all.filter((key) => !/:(req|takes):/.test(key));
    expect(left.map((key) => key.replace(kit.tag, '').replace(/\d+$/, 'N')).sort()).toEqual([
      `:${kit.queue}:events`,
      `:${kit.queue}:id`,
      `:${kit.queue}:marker`,
      `:${kit.queue}:pc`,
      ':stats:N',
    ]);
  });
});
