import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../../src/lib/core/job.js';
import { queuesKey } from '../../../src/lib/queue/keys.js';
import { type JobFilterInput, parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';
import { countJobs, scanJobs, sortJobs } from '../../../src/lib/queue/read/job-list.js';
import type { JobRecord } from '../../../src/lib/queue/types.js';
import { useRedis } from '../../support/redis.js';
import { completed, FAILURE, failed, PREFIX, QueueKit } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  await kit.client.del(queuesKey(PREFIX));
  await kit.producer.registerQueue(kit.queue);
});
afterEach(() => kit.close());

const list = (input: JobFilterInput = {}, options: Partial<Parameters<typeof scanJobs>[3]> = {}) =>
  scanJobs(kit.client, PREFIX, parseJobFilter(input), { limit: 50, ...options });

const idsOf = (jobs: readonly JobRecord[]): string[] => jobs.map((job) => job.id);

const FILL = `
for i = tonumber(ARGV[5]), tonumber(ARGV[2]) - 1 do
  local id, priority = string.format('f%s%06d', ARGV[4], i), tonumber(string.sub(ARGV[3], i % #ARGV[3] + 1, i % #ARGV[3] + 1)) + 1
  redis.call('HSET', ARGV[1] .. id, 'name', 'm#1', 'timestamp', 1000 + i, 'priority', priority)
  redis.call('ZADD', KEYS[1], priority * 4294967296 + i, id)
end`;

let fills = 0;

/**
 * Waiting jobs with the fields that lists read, created faster than by submit. `pattern` gives their BullMQ priorities
 * less one, in turn.
 */
async function fill(count: number, pattern = '0'): Promise<string[]> {
  const batch = String(++fills);
  // In batches: one script for 200,000 jobs would block a busy Redis beyond the 5 s it allows.
  for (let from = 0; from < count; from += 20_000) {
    const to = Math.min(count, from + 20_000);
    await kit.client.eval(FILL, 1, `${kit.base}prioritized`, kit.base, to, pattern, batch, from);
  }
  return Array.from({ length: count }, (_, i) => `f${batch}${String(i).padStart(6, '0')}`);
}

/** All pages in sequence; `between` is called after each. */
async function pages(
  input: JobFilterInput,
  options: Partial<Parameters<typeof scanJobs>[3]> = {},
  between: (page: number) => Promise<void> = async () => undefined,
): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; ; page++) {
    const found = await list(input, { ...options, cursor });
    ids.push(...idsOf(found.jobs));
    cursor = found.next;
    if (cursor === undefined) return ids;
    await between(page);
  }
}

async function commands(): Promise<number> {
  const stats = await kit.client.info('stats');
  return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1]);
}

it('a job list of all states matches what Redis holds', async () => {
  const consumer = await kit.consumer();
  const ids = await kit.submit(...Array.from({ length: 5 }, (_, i) => ({ priority: 9, rows: i + 1 })));
  const [done, bad, later, unwanted] = await consumer.take(100);
  if (!done || !bad || !later || !unwanted) throw new Error('not taken');
  await consumer.settle([
    completed(done),
    failed(bad),
    { kind: 'retry', job: later, failure: FAILURE, delayMs: 60_000 },
    { kind: 'cancelled', job: unwanted, failure: { code: 'CANCELLED', message: 'no' }, meta: META_OF },
  ]);
  const [low, high] = (await kit.submit({ priority: 2 }, { priority: 7 })) as [string, string];
  const [dead] = (await kit.submit({ priority: 5, deadline: 1 })) as [string];
  await consumer.expireDue();

  const all = await list({ state: ['active,waiting,delayed', 'completed,failed,expired,cancelled'] });
  const states = Object.fromEntries(all.jobs.map((job) => [job.id, job.state]));
  const [a, b, c, d, e] = ids as [string, string, string, string, string];
  expect(states).toEqual({
    [e]: 'active',
    [high]: 'waiting',
    [low]: 'waiting',
    [c]: 'delayed',
    [b]: 'failed',
    [dead]: 'expired',
    [d]: 'cancelled',
    [a]: 'completed',
  });
  for (const job of all.jobs) {
    const { group: _g, resultTtl: _r, ...record } = await kit.record(job.id);
    expect(job).toEqual(record);
  }
  expect(idsOf((await list()).jobs)).toEqual([e, high, low, c]);
  expect(await countJobs(kit.client, PREFIX, parseJobFilter({}))).toEqual({ total: 4, exact: true });
  expect(await countJobs(kit.client, PREFIX, parseJobFilter({ state: ['failed'] }))).toEqual({
    total: 1,
    exact: false,
  });
  expect(idsOf((await list({ error: 'run_FAILED' })).jobs)).toEqual([c, b]);
  expect(idsOf((await list({ error: 'model says' })).jobs)).toEqual([c, b]);
  expect(idsOf((await list({ error: 'nothing' })).jobs)).toEqual([]);
  expect(idsOf((await list({ worker: ['worker'], state: ['active'] })).jobs)).toEqual([e]);
  expect(idsOf((await list({ priority: ['5..8'] })).jobs)).toEqual([high]);
  expect(idsOf((await list({ model: ['other'] })).jobs)).toEqual([]);
  expect(idsOf((await list({ olderThan: '1h' })).jobs)).toEqual([]);
  expect(idsOf((await list({ olderThan: '1h' }, { now: Date.now() + 3_700_000 })).jobs)).toEqual([
    e,
    high,
    low,
    c,
  ]);
  const sorted = await sortJobs(kit.client, PREFIX, parseJobFilter({}), { by: 'rows', limit: 2 });
  expect(sorted).toMatchObject({ looked: 4, partial: false });
  expect(sorted.jobs[0]?.id).toBe(e);
});

const META_OF = { worker: 'worker', device: 'cpu', attempts: 1, queueMs: 1, runMs: 1, totalMs: 1 };

describe('pages of a job list', () => {
  it('visit each of 20,000 jobs once, forwards and backwards', async () => {
    const ids = await fill(20_000);
    expect(await pages({}, { limit: 997 })).toEqual(ids);
    expect(await pages({}, { limit: 997, reverse: true })).toEqual([...ids].reverse());
  });

  it('advance over thousands of jobs with the same score', async () => {
    const ids = Array.from({ length: 3000 }, () => newId('j'));
    const pipeline = kit.client.pipeline();
    for (const id of ids) {
      pipeline.hset(kit.base + id, { name: 'm#1', timestamp: 1, finishedOn: 2, st: 'failed' });
      pipeline.zadd(`${kit.base}failed`, 2, id);
    }
    await pipeline.exec();
    const state = ['failed'];
    // The job at a cursor may disappear before the next page.
    const visited = await pages({ state }, { limit: 100 }, async (page) => {
      if (page < 3)
        await kit.client.zrem(`${kit.base}failed`, ...ids.slice(-100 * (page + 1), -100 * page || undefined));
    });
    expect(visited).toEqual([...ids].sort().reverse());
  });

  it('skip no job while others are taken from and added to the front', async () => {
    const ids = await fill(2000, '4');
    const late = new Set<string>();
    const visited = await pages({}, { limit: 90 }, async (page) => {
      await kit.client.zpopmin(`${kit.base}prioritized`, 40);
      const [urgent] = (await kit.submit({ priority: 9 })) as [string];
      late.add(urgent);
      if (page === 3) late.add((await kit.submit({ priority: 0 }))[0] as string);
    });
    const seen = visited.filter((id) => !late.has(id));
    expect(new Set(seen).size).toBe(seen.length);
    // Jobs taken before their page was read are missing; all others are there.
    const waiting = new Set(await kit.client.zrange(`${kit.base}prioritized`, '0', '-1'));
    expect(ids.filter((id) => waiting.has(id) && !visited.includes(id))).toEqual([]);
  });

  it('cost the same at the front of 200,000 jobs, in the middle, and of 20 jobs', async () => {
    const cost = async (cursor?: string) => {
      const before = await commands();
      const page = await list({ priority: ['5..6'] }, { limit: 50, cursor });
      expect(page.jobs).toHaveLength(cursor === undefined && few ? 20 : 50);
      expect(page.looked).toBe(page.jobs.length);
      return (await commands()) - before;
    };
    let few = true;
    await fill(20, '3');
    const small = await cost();
    few = false;
    await fill(200_000, '34');
    let { next } = await list({ priority: ['5..6'] }, { limit: 50 });
    const first = await cost();
    for (let page = 0; page < 20; page++) {
      next = (await list({ priority: ['5..6'] }, { limit: 500, cursor: next })).next;
    }
    const deep = await cost(next);
    expect(first).toBeLessThan(small + 40);
    expect(deep).toBeLessThan(small + 40);
  });

  it('with a selective filter stop after a bounded number of jobs, and can be continued', async () => {
    const ids = await fill(3000);
    await kit.client.hset(kit.base + (ids[2500] as string), 'name', 'rare#1');
    const first = await list({ model: ['rare'] }, { look: 1000 });
    expect(first).toMatchObject({ jobs: [], looked: 1000 });
    expect(first.next).toBeDefined();
    expect(await pages({ model: ['rare'] }, { look: 1000 })).toEqual([ids[2500]]);
    expect(await countJobs(kit.client, PREFIX, parseJobFilter({ model: ['rare'] }))).toEqual({
      total: 3000,
      exact: false,
    });
  });

  it('reject a cursor of another filter, or one that is malformed', async () => {
    await fill(10);
    const { next } = await list({}, { limit: 3 });
    const code = (work: Promise<unknown>) =>
      expect(work).rejects.toMatchObject({ code: 'CURSOR', exitCode: 2 });
    await code(list({ state: ['failed'] }, { cursor: next }));
    await code(list({}, { cursor: next, reverse: true }));
    await code(list({}, { cursor: 'nonsense' }));
    await code(list({}, { cursor: Buffer.from('null').toString('base64url') }));
  });
});

describe('a sorted job list', () => {
  it('by age contains the oldest job of all priorities, however many wait', async () => {
    await fill(30_000, '4');
    const [old] = await fill(1, '9');
    await kit.client.hset(kit.base + (old as string), 'timestamp', 1);
    const { jobs, partial, looked } = await sortJobs(kit.client, PREFIX, parseJobFilter({}), {
      by: 'age',
      limit: 3,
    });
    expect(jobs[0]?.id).toBe(old);
    expect(jobs.slice(1).map((job) => job.submittedAt)).toEqual([1000, 1001]);
    expect(partial).toBe(false);
    expect(looked).toBe(4);
    const newest = await sortJobs(kit.client, PREFIX, parseJobFilter({}), {
      by: 'age',
      limit: 1,
      reverse: true,
    });
    expect(newest.jobs[0]?.submittedAt).toBe(30_999);
  });

  it('by rows says when it has not looked at all jobs', async () => {
    await fill(12_000);
    const found = await sortJobs(kit.client, PREFIX, parseJobFilter({}), { by: 'rows', limit: 3 });
    expect(found).toMatchObject({ partial: true, looked: 10_000 });
  });
});
