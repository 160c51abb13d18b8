import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import { chunkId, newId } from '../../../src/lib/core/job.js';
import { Mover, type Parked, settleArrivals } from '../../../src/lib/queue/broker/move.js';
import { setPriority } from '../../../src/lib/queue/broker/set-priority.js';
import { locate, readGroup } from '../../../src/lib/queue/read/reader.js';
import { useRedis } from '../../support/redis.js';
import { BEYOND_TEST_MS, completed, failed, idsOf, PREFIX, QueueKit, takeOne } from '../queue/queue-kit.js';

const redis = useRedis();
let from: QueueKit;
let to: QueueKit;
beforeEach(async () => {
  [from, to] = [await QueueKit.open(redis), await QueueKit.open(redis)];
  await Promise.all([from, to].map((kit) => kit.producer.registerQueue(kit.queue)));
});
afterEach(() => Promise.all([from.close(), to.close()]));

const mover = () => new Mover(to.client, PREFIX, to.queue);
const move = (id: string) => mover().move(id, from.queue);
const settle = () => settleArrivals(to.client, PREFIX, to.queue, { abandonedMs: 0 });

/** What a worker of each queue would take. */
async function takeable(): Promise<{ from: string[]; to: string[] }> {
  const [left, right] = [await from.consumer(), await to.consumer()];
  return { from: idsOf(await left.take(100)), to: idsOf(await right.take(100)) };
}

async function park(id: string): Promise<Parked> {
  const parked = await mover().park(id, from.queue);
  if (typeof parked === 'string') throw new Error(parked);
  return parked;
}

describe('moving a waiting job', () => {
  it('keeps its id, input, priority, deadline and attempts, and leaves nothing behind', async () => {
    const deadline = Date.now() + 60_000;
    const input = Buffer.alloc(9000, 7);
    const [id] = (await from.submit({ priority: 7, deadline, input, attempts: 5 })) as [string];
    expect(await move(id)).toBe('moved');
    expect(await to.record(id)).toMatchObject({ state: 'waiting', priority: 7, queue: to.queue });
    expect(await to.client.zscore(`${to.tag}:deadlines`, id)).toBe(String(deadline));
    const left = (await from.client.call('KEYS', `*${from.queue}}*${id}*`)) as string[];
    expect(left).toEqual([]);
    expect(await from.client.zcard(`${from.tag}:deadlines`)).toBe(0);
    expect(await to.client.hmget(to.base + id, 'mv', 'mvat')).toEqual([null, null]);
    const job = await takeOne(await to.consumer());
    expect(job).toMatchObject({ attempt: 1, failures: 0, spec: { id, priority: 7, attempts: 5, deadline } });
    expect(Buffer.compare(job.input, input)).toBe(0);
  });

  it('keeps its place by priority, or its start time when delayed', async () => {
    await to.submit({ id: 'low', priority: 1 }, { id: 'high', priority: 9 });
    await from.submit({ id: 'middle', priority: 5 });
    expect(await move('middle')).toBe('moved');
    const consumer = await from.consumer();
    await from.submit({ id: 'again', priority: 6 });
    const failure = { code: 'RUNNER_DIED', message: 'died' };
    const job = await takeOne(consumer);
    await consumer.settle([{ kind: 'retry', job, failure, delayMs: 60_000 }]);
    const { runAt } = await from.record('again');
    expect(await move('again')).toBe('moved');
    expect(await to.record('again')).toMatchObject({ state: 'delayed', runAt, attempts: 1 });
    expect(idsOf(await (await to.consumer()).take(100))).toEqual(['high', 'middle', 'low']);
    await to.passTime(61_000);
    const second = await takeOne(await to.consumer());
    expect(second).toMatchObject({ attempt: 2, failures: 1, spec: { id: 'again', priority: 6 } });
  });

  it('wakes an idle worker of the other queue', async () => {
    const [id] = (await from.submit({})) as [string];
    const consumer = await to.consumer();
    await consumer.take(1);
    const woken = consumer.waitForWork(BEYOND_TEST_MS, new AbortController().signal);
    await move(id);
    await woken;
    expect(idsOf(await consumer.take(1))).toEqual([id]);
  });

  it('delivers the result to every kind of waiter', async () => {
    const client = await InferClient.open({
      prefix: PREFIX,
      modelsDir: redis.dir,
      resultTtl: 60,
      redis: redis.settings(),
    });
    try {
      const [id] = (await from.submit({})) as [string];
      const waiting = client.wait(id, { timeoutMs: 20_000 });
      const key = from.base + id;
      while ((await from.client.hexists(key, 'rl')) === 0) await from.client.ping();
      expect(await move(id)).toBe('moved');
      const consumer = await to.consumer();
      const job = await takeOne(consumer);
      expect(job.spec.reply).toBeUndefined();
      await consumer.settle([failed(job)]);
      expect(await waiting).toMatchObject({ id, state: 'failed' });
      // A client that knows only the former queue.
      expect(await client.result(id)).toMatchObject({ state: 'failed' });
    } finally {
      await client.close();
    }
  });

  it('skips jobs that run, have ended, do not exist, or whose id exists there', async () => {
    const consumer = await from.consumer();
    const [done] = (await from.submit({})) as [string];
    await consumer.settle([completed(await takeOne(consumer))]);
    const [running] = (await from.submit({})) as [string];
    await takeOne(consumer);
    await from.submit({ id: 'twin' });
    await to.submit({ id: 'twin' });
    expect(await Promise.all([done, running, 'twin', 'nobody'].map(move))).toEqual([
      'not waiting',
      'not waiting',
      'id taken',
      'unknown',
    ]);
    expect(await mover().move('twin', to.queue)).toBe('same queue');
    expect((await from.record('twin')).state).toBe('waiting');
  });

  it('copies the job again when it changed meanwhile', async () => {
    const [id] = (await from.submit({ priority: 1 })) as [string];
    const parked = await park(id);
    expect(await setPriority(from.client, PREFIX, from.queue, [id], 9)).toEqual(['changed']);
    expect(await mover().takeOut(parked)).toBe('changed');
    expect(await move(id)).toBe('moved');
    expect((await takeOne(await to.consumer())).spec.priority).toBe(9);
  });
});

describe('a move that is interrupted', () => {
  it('before its commit leaves the job waiting in its old queue only', async () => {
    const [id] = (await from.submit({})) as [string];
    await park(id);
    const place = { queue: from.queue, kind: 'job' };
    expect(await locate(to.client, PREFIX, id, [to.queue, from.queue])).toEqual(place);
    expect(await takeable()).toEqual({ from: [id], to: [] });
    expect(await settle()).toBe(1);
    expect(await to.client.exists(to.base + id, `${to.tag}:arriving`)).toBe(0);
  });

  it('before its commit cannot be committed once it was abandoned', async () => {
    const [id] = (await from.submit({})) as [string];
    const parked = await park(id);
    await settle();
    expect(await mover().takeOut(parked)).toBe('not waiting');
    expect(await takeable()).toEqual({ from: [id], to: [] });
  });

  it('before its commit can be repeated', async () => {
    const [id] = (await from.submit({})) as [string];
    await park(id);
    expect(await move(id)).toBe('moved');
    expect(await settle()).toBe(0);
    expect(await takeable()).toEqual({ from: [], to: [id] });
  });

  it('loses no copy when two movers run at once, of which one succeeds', async () => {
    const [id] = (await from.submit({})) as [string];
    const first = await park(id);
    const second = await park(id);
    expect(await mover().takeOut(first)).toBe('not waiting');
    expect(await mover().takeOut(second)).toBe('done');
    await mover().bringIn(first);
    expect(await takeable()).toEqual({ from: [], to: [] });
    await mover().bringIn(second);
    expect(await takeable()).toEqual({ from: [], to: [id] });
  });

  it('is finished by another mover that finds it committed', async () => {
    const [id] = (await from.submit({})) as [string];
    const second = mover();
    const slow = await park(id);
    // It read the job before the other took it out.
    const run = second.park(id, from.queue);
    const [answer] = await Promise.all([run, mover().takeOut(slow)]);
    if (typeof answer !== 'string') expect(await second.takeOut(answer)).toBe('done');
    if (typeof answer !== 'string') await second.bringIn(answer);
    await settle();
    expect(await takeable()).toEqual({ from: [], to: [id] });
  });

  it('stays abandoned, whichever attempt resumes', async () => {
    const [id] = (await from.submit({})) as [string];
    const tries = [];
    for (let at = 0; at < 3; at++) {
      tries.push(await park(id));
      await settle();
    }
    for (const parked of tries) expect(await mover().takeOut(parked)).toBe('not waiting');
    expect(await takeable()).toEqual({ from: [id], to: [] });
  });

  it('after its commit is finished by the workers of the target queue', async () => {
    const [id] = (await from.submit({ input: Buffer.alloc(9000, 1) })) as [string];
    expect(await mover().takeOut(await park(id))).toBe('done');
    expect(await takeable()).toEqual({ from: [], to: [] });
    // Visible to readers and to a cancel.
    expect((await to.record(id)).state).toBe('waiting');
    expect(await settle()).toBe(1);
    expect(await takeable()).toEqual({ from: [], to: [id] });
    const left = (await from.client.call('KEYS', `*${from.queue}}*${id}*`)) as string[];
    expect(left).toEqual([]);
  });

  it('after its commit lets the job be cancelled, which then ends instead of waiting', async () => {
    const [id] = (await from.submit({})) as [string];
    await mover().takeOut(await park(id));
    expect(await to.producer.cancel(to.queue, id)).toBe('active');
    await settle();
    expect((await to.record(id)).state).toBe('cancelled');
    expect(await takeable()).toEqual({ from: [], to: [] });
  });

  it('is left to its own mover for a grace period', async () => {
    const [id] = (await from.submit({})) as [string];
    await mover().takeOut(await park(id));
    expect(await settleArrivals(to.client, PREFIX, to.queue)).toBe(0);
  });
});

describe('moved chunks of a group', () => {
  async function group(): Promise<string> {
    const id = newId('g');
    await from.producer.groups.open({ id, queue: from.queue, model: 'm', priority: 0, resultTtl: 600 }, 'me');
    const of = (index: number) => ({ id, index, firstRow: index * 10 });
    await from.submit(...[0, 1, 2].map((n) => ({ id: chunkId(id, n), rows: 10, group: of(n) })));
    await from.producer.groups.close(from.queue, id, 'me', { rows: 30, jobs: 3 });
    return id;
  }
  const record = (id: string) => readGroup(from.client, PREFIX, from.queue, id);

  it('are counted where their group is, which ends with the last of them', async () => {
    const id = await group();
    expect(await move(chunkId(id, 1))).toBe('moved');
    expect(await record(id)).toMatchObject({ moved: { 1: to.queue }, state: 'waiting' });
    const [here, there] = [await from.consumer(), await to.consumer()];
    const jobs = await here.take(100);
    expect(idsOf(jobs)).toEqual([chunkId(id, 0), chunkId(id, 2)]);
    await here.settle(jobs.map((job) => completed(job)));
    expect(await record(id)).toMatchObject({ state: 'active', jobsCompleted: 2, rowsDone: 20 });
    const last = await takeOne(there);
    await there.settle([failed(last)]);
    expect(await record(id)).toMatchObject({ state: 'failed', jobsCompleted: 2, jobsFailed: 1 });
    // A retry subtracts it and counts it again.
    const before = await record(id);
    expect(await from.producer.retryGroup(before as NonNullable<typeof before>)).toMatchObject({
      retried: 1,
    });
    expect(await record(id)).toMatchObject({ state: 'active', jobsFailed: 0 });
    await there.settle([completed(await takeOne(there))]);
    expect(await record(id)).toMatchObject({ state: 'completed', jobsCompleted: 3, rowsDone: 30 });
  });

  it('are refused while their group is still being written', async () => {
    const id = newId('g');
    await from.producer.groups.open({ id, queue: from.queue, model: 'm', priority: 0, resultTtl: 600 }, 'me');
    await from.submit({ id: chunkId(id, 0), rows: 10, group: { id, index: 0, firstRow: 0 } });
    expect(await move(chunkId(id, 0))).toBe('group open');
    expect(await takeable()).toEqual({ from: [chunkId(id, 0)], to: [] });
  });

  it('are cancelled with their group in any queue, and can be moved back', async () => {
    const id = await group();
    await move(chunkId(id, 0));
    await move(chunkId(id, 1));
    const back = new Mover(from.client, PREFIX, from.queue);
    expect(await back.move(chunkId(id, 0), to.queue)).toBe('moved');
    const now = await record(id);
    expect(now?.moved).toEqual({ 0: from.queue, 1: to.queue });
    expect(await from.producer.cancelGroup(now as NonNullable<typeof now>)).toMatchObject({
      states: { cancelled: 3 },
    });
    expect(await record(id)).toMatchObject({ state: 'failed', jobsFailed: 3 });
    await from.client.hset(`${from.tag}:grp:${id}`, 'leaving', 'me');
    expect(await from.producer.groups.forget(from.queue, id, 'me', 3)).toBe(false);
  });
});

describe('a changed priority', () => {
  it('puts a job behind those waiting at it; running and unknown jobs are reported as such', async () => {
    const consumer = await from.consumer();
    await from.submit({ id: 'running', priority: 9 });
    await takeOne(consumer);
    await from.submit({ id: 'a', priority: 2 }, { id: 'b', priority: 5 }, { id: 'c', priority: 0 });
    const outcomes = await setPriority(from.client, PREFIX, from.queue, ['a', 'b', 'running', 'gone'], 5);
    expect(outcomes).toEqual(['changed', 'same', 'not waiting', 'unknown']);
    const jobs = await consumer.take(10);
    expect(jobs.map(({ spec }) => [spec.id, spec.priority])).toEqual([
      ['b', 5],
      ['a', 5],
      ['c', 0],
    ]);
    expect(String(jobs[1]?.input)).toBe('input');
  });

  it('of a delayed job applies when it is due', async () => {
    const consumer = await from.consumer();
    await from.submit({ id: 'later', priority: 1 });
    const job = await takeOne(consumer);
    const failure = { code: 'RUNNER_DIED', message: 'died' };
    await consumer.settle([{ kind: 'retry', job, failure, delayMs: 60_000 }]);
    await setPriority(from.client, PREFIX, from.queue, ['later'], 8);
    await from.submit({ id: 'now', priority: 7 });
    await from.passTime(61_000);
    expect(idsOf(await (await from.consumer()).take(10))).toEqual(['later', 'now']);
  });
});
