import { afterEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../support/redis.js';
import type { QueueKit } from '../queue/queue-kit.js';
import { WorkerKit } from './worker-kit.js';

const redis = useRedis();
let kit: WorkerKit;
afterEach(() => kit.close());

const active = async (lane: number) => {
  const { client, base } = kit.lanes[lane] as QueueKit;
  return client.llen(`${base}active`);
};

/** Jobs of a lane still in Redis, for a test that waits until the worker has fetched. */
const waiting = async (lane: number) => {
  const { client, base } = kit.lanes[lane] as QueueKit;
  return client.zcard(`${base}prioritized`);
};

describe('an urgent job waits for at most one running micro-batch of less urgent work', () => {
  it('of another lane, even when more of that work is prefetched', async () => {
    kit = await WorkerKit.open(redis, 2);
    await kit.submit(1, 9, 40);
    await kit.submit(1, 9, 40);
    await kit.start();
    const less = await kit.runner.next();
    const urgent = await kit.submit(0, 0);
    less.finish();
    const next = await kit.runner.next();
    // Alone: rows of the less urgent lane would make its run longer.
    expect(next.xs).toEqual([urgent.xs[0]]);
    next.finish();
    // Once more, when a less urgent batch runs.
    const lessAgain = await kit.runner.next();
    const again = await kit.submit(0, 0);
    lessAgain.finish();
    const later = await kit.runner.next();
    expect(later.xs[0]).toBe(again.xs[0]);
    later.finish();
  });

  it('of its own lane, with the prefetch full of less urgent jobs', async () => {
    kit = await WorkerKit.open(redis);
    await kit.startWarm(async () => {
      for (let i = 0; i < 20; i++) await kit.submit(0, 3);
    });
    const less = await kit.runner.next();
    await expect.poll(() => active(0)).toBe(8);
    const urgent = [await kit.submit(0, 4), await kit.submit(0, 9)];
    less.finish();
    const next = await kit.runner.next();
    expect(next.xs.slice(0, 2)).toEqual([urgent[1]?.xs[0], urgent[0]?.xs[0]]);
    next.finish();
  });

  it('of its own lane, when that is one long chunk job', async () => {
    kit = await WorkerKit.open(redis);
    const chunk = await kit.submit(0, 0, 10);
    await kit.start();
    const first = await kit.runner.next();
    expect(first.xs).toEqual(chunk.xs.slice(0, 4));
    const urgent = await kit.submit(0, 1);
    first.finish();
    const second = await kit.runner.next();
    expect(second.xs).toEqual([...urgent.xs, ...chunk.xs.slice(4, 7)]);
    second.finish();
    const third = await kit.runner.next();
    expect(third.xs).toEqual(chunk.xs.slice(7));
    third.finish();
    await expect.poll(() => kit.result(0, chunk.id)).toEqual(chunk.xs.map((x) => x + 0.5));
    expect(await kit.result(0, urgent.id)).toEqual(urgent.xs.map((x) => x + 0.5));
  });

  it('while urgent work keeps coming, in order of arrival within a priority', async () => {
    kit = await WorkerKit.open(redis, 2);
    for (let i = 0; i < 6; i++) await kit.submit(1, 0, 4);
    await kit.start({ maxBatch: 1 });
    let run = await kit.runner.next();
    for (let round = 0; round < 5; round++) {
      const jobs = [await kit.submit(0, 2), await kit.submit(0, 2), await kit.submit(0, 5)];
      run.finish();
      const order: (number | undefined)[] = [];
      for (let i = 0; i < 3; i++) {
        run = await kit.runner.next();
        order.push(run.xs[0]);
        if (i < 2) run.finish();
      }
      expect(order).toEqual([jobs[2], jobs[0], jobs[1]].map((job) => job?.xs[0]));
      // One less urgent batch runs while the next urgent jobs arrive.
      run.finish();
      run = await kit.runner.next();
      expect(run.xs[0]).not.toBe(jobs[0]?.xs[0]);
    }
    run.finish();
  });
});

describe('prefetching', () => {
  it('holds the running and the next micro-batch, no more', async () => {
    kit = await WorkerKit.open(redis);
    await kit.startWarm(async () => {
      for (let i = 0; i < 30; i++) await kit.submit(0);
    });
    for (let done = 0; done < 12; done += 4) {
      const run = await kit.runner.next();
      await expect.poll(() => waiting(0)).toBe(30 - 8 - done);
      // Settled jobs leave `active` a little later.
      await expect.poll(() => active(0)).toBe(8);
      run.finish();
    }
  });

  it('holds nothing before a run has been timed, nor behind long runs', async () => {
    kit = await WorkerKit.open(redis);
    for (let i = 0; i < 12; i++) await kit.submit(0);
    const worker = await kit.start();
    for (const left of [8, 4, 0]) {
      const run = await kit.runner.next();
      expect(run.xs).toHaveLength(4);
      // Asked again whenever there may be room, it leaves the others to idle workers.
      worker.changes.setMaxBatch(4);
      await expect.poll(() => active(0)).toBe(4);
      expect(await waiting(0)).toBe(left);
      await expect.poll(() => worker.heartbeat().notStarted).toEqual({});
      run.finish(60_000);
    }
  });

  it('at its limit wakes another worker with capacity', async () => {
    kit = await WorkerKit.open(redis);
    const own = kit.lanes[0] as QueueKit;
    const worker = await kit.start();
    await kit.submit(0);
    // Its lane sleeps again during the run, and is woken by what it has no room for.
    const run = await kit.runner.next();
    const other = await own.consumer();
    const woken = other.waitForWork(20_000, new AbortController().signal);
    const began = performance.now();
    const { id } = await kit.submit(0);
    await woken;
    // More runners would have work now.
    await expect.poll(() => worker.load.isPressed).toBe(true);
    expect(performance.now() - began).toBeLessThan(15_000);
    expect((await other.take(1)).map((job) => job.spec.id)).toEqual([id]);
    run.finish();
  });

  it('appears in the heartbeat, by queue and priority', async () => {
    kit = await WorkerKit.open(redis);
    const [worker] = await kit.startWarm(async () => {
      for (let i = 0; i < 4; i++) await kit.submit(0, 5);
      for (let i = 0; i < 3; i++) await kit.submit(0, 2);
    });
    const run = await kit.runner.next();
    await expect.poll(() => active(0)).toBe(7);
    const { queue } = kit.lanes[0] as QueueKit;
    // Redis marks them as taken before the worker has the reply.
    await expect
      .poll(() => worker.heartbeat().notStarted)
      .toEqual({ [queue]: [0, 0, 3, 0, 0, 0, 0, 0, 0, 0] });
    run.finish();
    (await kit.runner.next()).finish();
    await expect.poll(() => worker.heartbeat().notStarted).toEqual({});
  });

  it('holds one chunk job at a time', async () => {
    kit = await WorkerKit.open(redis);
    await kit.submit(0, 0, 100);
    await kit.submit(0, 0, 100);
    await kit.start();
    const run = await kit.runner.next();
    await expect.poll(() => waiting(0)).toBe(1);
    expect(await active(0)).toBe(1);
    run.finish();
  });
});

describe('micro-batches', () => {
  it('take what accumulated during the last run, without waiting', async () => {
    kit = await WorkerKit.open(redis);
    const [, alone] = await kit.startWarm(() => kit.submit(0));
    const first = await kit.runner.next();
    expect(first.xs).toEqual(alone.xs);
    const more = [await kit.submit(0), await kit.submit(0), await kit.submit(0)];
    await expect.poll(() => active(0)).toBe(4);
    first.finish();
    const second = await kit.runner.next();
    expect(second.xs).toEqual(more.flatMap((job) => job.xs));
    second.finish();
  });

  it('give every job its own rows', async () => {
    kit = await WorkerKit.open(redis);
    const jobs = [];
    for (const rows of [1, 3, 2, 5, 1, 4]) jobs.push(await kit.submit(0, 0, rows));
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    for (const job of jobs) expect(await kit.result(0, job.id)).toEqual(job.xs.map((x) => x + 0.5));
    expect(kit.runner.all.map((xs) => xs.length)).toEqual([4, 4, 4, 4]);
  });

  it('wait for the window, but no longer, and not when full', async () => {
    kit = await WorkerKit.open(redis);
    await kit.start({ batchWindowMs: 60 });
    const began = performance.now();
    const one = await kit.submit(0);
    const two = await kit.submit(0);
    const run = await kit.runner.next();
    expect(run.xs).toEqual([...one.xs, ...two.xs]);
    expect(performance.now() - began).toBeGreaterThan(40);
    run.finish();
  });

  it('of a model that cannot batch are single rows', async () => {
    kit = await WorkerKit.open(redis);
    await kit.submit(0, 0, 3);
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true }, false);
    await kit.ended;
    expect(kit.runner.all.map((xs) => xs.length)).toEqual([1, 1, 1]);
  });
});
