import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../support/redis.js';
import type { QueueKit } from '../queue/queue-kit.js';
import { WorkerKit } from './worker-kit.js';

const redis = useRedis();
let kit: WorkerKit;
let queue: QueueKit;
beforeEach(async () => {
  kit = await WorkerKit.open(redis);
  queue = kit.lanes[0] as QueueKit;
});
afterEach(() => kit.close());

const record = (job: { id: string }) => queue.record(job.id);
const held = () => queue.client.llen(`${queue.base}active`);
const waiting = () => queue.client.zrange(`${queue.base}prioritized`, '0', '-1');

describe('draining', () => {
  it('finishes started jobs, returns the rest to their places, and ends', async () => {
    const started = await kit.submit(0, 5, 6);
    const next = await kit.submit(0, 5, 2);
    const last = await kit.submit(0, 5);
    const worker = await kit.start();
    const first = await kit.runner.next();
    first.finish();
    const second = await kit.runner.next();
    const inRun = second.xs.includes(next.xs[0] as number);
    await expect.poll(held).toBe(3);
    worker.drain();
    expect(worker.heartbeat().state).toBe('draining');
    await expect.poll(waiting).toEqual(inRun ? [last.id] : [next.id, last.id]);
    second.finish();
    await kit.ended;
    expect(await record(started)).toMatchObject({ state: 'completed', attempts: 1 });
    expect(await kit.result(0, started.id)).toEqual(started.xs.map((x) => x + 0.5));
    expect(await record(last)).toMatchObject({ state: 'waiting', attempts: 0 });
    expect(await held()).toBe(0);
  });

  it('of an idle worker does not wait for its sleep to end', async () => {
    const asleep = async () => /blocked_clients:(\d+)/.exec(await queue.client.info('clients'))?.[1];
    const worker = await kit.start();
    await expect.poll(asleep).toBe('1');
    worker.drain();
    await kit.ended;
    expect(worker.heartbeat().state).toBe('draining');
    // Redis still waits for a job on its behalf.
    expect(await asleep()).toBe('1');
  });

  it('returns jobs that were on their way from Redis at that moment', async () => {
    const job = await kit.submit(0, 5, 2);
    let arrive: () => void = () => undefined;
    kit.afterTake = new Promise((resolve) => {
      arrive = resolve;
    });
    const worker = await kit.start();
    await expect.poll(held).toBe(1);
    worker.drain();
    arrive();
    await kit.ended;
    expect(await record(job)).toMatchObject({ state: 'waiting', attempts: 0 });
    expect(await held()).toBe(0);
    expect(kit.runner.all).toEqual([]);
  });

  it('takes no more jobs', async () => {
    await kit.submit(0, 0, 4);
    const worker = await kit.start();
    const run = await kit.runner.next();
    worker.drain();
    const late = await kit.submit(0, 9);
    run.finish();
    await kit.ended;
    expect(await record(late)).toMatchObject({ state: 'waiting', attempts: 0 });
  });
});

describe('the times of a job', () => {
  it('are never negative, even if the clocks of submitter and worker disagree', async () => {
    queue.offsetMs = 60_000;
    const job = await kit.submit(0);
    queue.offsetMs = 0;
    await kit.start({ burst: true });
    (await kit.runner.next()).finish();
    await kit.ended;
    const { meta } = await record(job);
    expect(meta).toMatchObject({ queueMs: 0, totalMs: 0, runMs: 1 });
  });
});

describe('leaving', () => {
  it('returns every job to its place, running or not', async () => {
    const [worker, [running, next]] = await kit.startWarm(
      async () => [await kit.submit(0, 0, 4), await kit.submit(0, 0, 1)] as const,
    );
    const run = await kit.runner.next();
    await expect.poll(held).toBe(2);
    await worker.leave();
    await kit.ended;
    expect((await waiting()).sort()).toEqual([running.id, next.id].sort());
    expect(await held()).toBe(0);
    for (const job of [running, next]) {
      expect(await record(job)).toMatchObject({ state: 'waiting', attempts: 0 });
    }
    run.finish();
    expect(await kit.result(0, running.id)).toBeUndefined();
  });
});

describe('a worker ends on its own', () => {
  it('in burst mode, once its queues are empty', async () => {
    const jobs = [];
    for (let i = 0; i < 11; i++) jobs.push(await kit.submit(0, i % 10));
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    expect(await queue.states(jobs.map((job) => job.id))).toEqual(jobs.map(() => 'completed'));
  });

  it('in burst mode, at once when they are empty from the start', async () => {
    await kit.start({ burst: true });
    await kit.ended;
    expect(kit.runner.all).toEqual([]);
  });

  it('after --max-jobs, having taken no more', async () => {
    for (let i = 0; i < 10; i++) await kit.submit(0);
    kit.runner.auto = () => undefined;
    await kit.start({ maxJobs: 6 });
    await kit.ended;
    expect(kit.runner.all.flat()).toHaveLength(6);
    expect(await waiting()).toHaveLength(4);
  });

  it('after --max-jobs, even when more urgent jobs arrive meanwhile', async () => {
    const submit = async () => {
      await kit.submit(0, 0, 4);
      await kit.submit(0, 0, 4);
    };
    await kit.startWarm(submit, { maxJobs: 4 });
    const run = await kit.runner.next();
    await expect.poll(held).toBe(2);
    for (let i = 0; i < 8; i++) await kit.submit(0, 9);
    kit.runner.auto = () => undefined;
    run.finish();
    await kit.ended;
    expect(await waiting()).toHaveLength(7);
    expect(await queue.client.zcard(`${queue.base}completed`)).toBe(4);
  });
});
