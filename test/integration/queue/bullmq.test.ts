import { Queue, QueueEvents, Worker } from 'bullmq';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { snapshotQueue } from '../../../src/lib/queue/read/inspector.js';
import { useRedis } from '../../support/redis.js';
import { completed, FAILURE, failed, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
let queue: Queue;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  queue = new Queue(kit.queue, { connection: kit.client, prefix: kit.tag, skipVersionCheck: true });
});
afterEach(async () => {
  await queue.close();
  await kit.close();
});

it('BullMQ getters agree with our states', async () => {
  const consumer = await kit.consumer();
  const ids = await kit.submit(...Array.from({ length: 5 }, () => ({ priority: 9 })));
  const [, b, c, d] = (await consumer.take(4)) as [never, never, never, never];
  await consumer.settle([
    completed(b),
    failed(c),
    { kind: 'retry', job: d, failure: FAILURE, delayMs: 60_000 },
  ]);
  const [low] = await kit.submit({ priority: 2 });

  const all = [...ids, low as string];
  const ours = await kit.states(all);
  expect(ours).toEqual(['active', 'completed', 'failed', 'delayed', 'waiting', 'waiting']);
  const theirs = await Promise.all(all.map((id) => queue.getJobState(id)));
  expect(theirs.map((state) => (state === 'prioritized' ? 'waiting' : state))).toEqual(ours);
  expect(await queue.getJobCounts()).toMatchObject({
    active: 1,
    completed: 1,
    failed: 1,
    delayed: 1,
    prioritized: 2,
    waiting: 0,
  });
  expect(await queue.getCountsPerPriority([1, 8])).toEqual({ 1: 1, 8: 1 });
  const names = async (jobs: Promise<{ id?: string | undefined }[]>) => (await jobs).map((job) => job.id);
  expect(await names(queue.getPrioritized())).toEqual([ids[4], low]);
  expect(await names(queue.getActive())).toEqual([ids[0]]);
  expect(await names(queue.getCompleted())).toEqual([ids[1]]);
  expect(await names(queue.getFailed())).toEqual([ids[2]]);
  expect(await names(queue.getDelayed())).toEqual([ids[3]]);
  expect(await names(queue.getWaiting())).toEqual([]);

  const bad = await queue.getJob(ids[2] as string);
  expect(bad).toMatchObject({ failedReason: FAILURE.message, attemptsMade: 1, attemptsStarted: 1 });
  expect(bad?.finishedOn).toBeGreaterThanOrEqual(bad?.processedOn as number);
  expect(await (await queue.getJob(ids[1] as string))?.isCompleted()).toBe(true);
});

it('a BullMQ Worker can process our job, and our reader sees it', async () => {
  const ids = await kit.submit({ priority: 1 }, { priority: 8 }, { priority: 4 });
  const seen: string[] = [];
  const worker = new Worker(
    kit.queue,
    async (job) => {
      seen.push(job.id as string);
      if (seen.length === 2) throw new Error('not this one');
    },
    {
      connection: { path: redis.socket as string, maxRetriesPerRequest: null },
      prefix: kit.tag,
      skipVersionCheck: true,
    },
  );
  await expect.poll(async () => (await queue.getJobCounts()).completed).toBe(2);
  expect(seen).toEqual([ids[1], ids[2], ids[0]]);
  await worker.close();
  expect(await kit.states(ids)).toEqual(['completed', 'completed', 'failed']);
  expect((await kit.record(ids[2] as string)).failure).toEqual({ code: 'FAILED', message: 'not this one' });
  for (const [i, state] of ['completed', 'completed', 'failed'].entries()) {
    expect(await kit.producer.cancel(kit.queue, ids[i] as string)).toBe(state);
  }
});

it('a BullMQ Worker and ours share a queue, and neither takes what the other holds', async () => {
  const consumer = await kit.consumer();
  const [id] = (await kit.submit({})) as [string];
  const theirs = new Worker(kit.queue, null, {
    connection: { path: redis.socket as string, maxRetriesPerRequest: null },
    prefix: kit.tag,
    skipVersionCheck: true,
  });
  const held = await theirs.getNextJob('token', { block: false });
  expect(held?.id).toBe(id);
  expect(await consumer.take(5)).toEqual([]);
  expect(await consumer.recover()).toEqual({ requeued: [], poisoned: [] });
  await kit.submit({});
  await takeOne(consumer);
  expect(await theirs.getNextJob('token', { block: false })).toBeUndefined();
  await theirs.close();
});

it('BullMQ QueueEvents report how our jobs ended', async () => {
  const consumer = await kit.consumer();
  const events = new QueueEvents(kit.queue, {
    connection: { path: redis.socket as string },
    prefix: kit.tag,
    skipVersionCheck: true,
    lastEventId: '0-0',
  });
  const heard: unknown[] = [];
  events.on('completed', ({ jobId, prev }) => heard.push(['completed', jobId, prev]));
  events.on('failed', ({ jobId, failedReason }) => heard.push(['failed', jobId, failedReason]));
  await events.waitUntilReady();
  const [a, b] = await kit.submit({}, {});
  const jobs = (await consumer.take(2)) as [never, never];
  await consumer.settle([completed(jobs[0]), failed(jobs[1])]);
  await expect
    .poll(() => heard)
    .toEqual([
      ['completed', a, 'active'],
      ['failed', b, FAILURE.message],
    ]);
  await events.close();
});

it('BullMQ clean, retry and obliterate work on what we leave', async () => {
  const consumer = await kit.consumer();
  const [a, b] = (await kit.submit({}, { priority: 6 })) as [string, string];
  const jobs = await consumer.take(2);
  await consumer.settle(jobs.map((job) => (job.spec.id === a ? completed(job) : failed(job))));
  expect(await queue.clean(0, 100, 'completed')).toEqual([a]);
  expect(await queue.clean(0, 100, 'failed')).toEqual([b]);
  expect((await snapshotQueue(kit.client, PREFIX, kit.queue, Date.now())).failed).toBe(0);
  await kit.submit({}, {});
  await queue.obliterate();
  expect(await kit.client.keys(`${kit.base}*`)).toEqual([]);
});
