import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { bucketAt, type WorkReport } from '../../../src/lib/queue/work-stats.js';
import type { Worker } from '../../../src/lib/worker/worker.js';
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

async function reportOf(worker: Worker): Promise<WorkReport> {
  let sent: WorkReport | undefined;
  await worker.endings.work.send(async (report) => {
    sent = report;
  });
  return sent as WorkReport;
}

describe("a worker's work record", () => {
  it('has every job by outcome, its rows and times, and each micro-batch with its reason', async () => {
    const bad = await kit.submit(0);
    const late = await kit.submit(0, 0, 1, { deadline: Date.now() - 1 });
    await kit.submit(0, 5, 4);
    await kit.submit(0, 4, 1);
    kit.runner.auto = (xs) =>
      xs.includes(bad.xs[0] as number) ? new InferError('RUN_FAILED', 'bad') : undefined;
    const worker = await kit.start({ burst: true });
    await kit.ended;
    const { totals, buckets } = await reportOf(worker);
    const total = totals.get(queue.queue);
    expect((await queue.record(late.id)).state).toBe('expired');
    expect(total?.jobs).toEqual({ completed: 2, failed: 1, expired: 1, cancelled: 0, retried: 0 });
    expect(total?.rows).toBe(5);
    expect(total?.codes).toEqual({ RUN_FAILED: 1 });
    const [[model, own] = []] = total?.models ?? [];
    expect([total?.models.size, model]).toEqual([1, 'm']);
    expect(own?.jobs).toEqual(total?.jobs);
    expect([own?.rows, own?.run.count, own?.batchRows.count, own?.codes]).toEqual([
      5,
      3,
      4,
      { RUN_FAILED: 1 },
    ]);
    // The four rows fill a run; then the bad row and its neighbour, which are run separately afterwards.
    expect(total?.closed).toEqual({ full: 1, idle: 1, retry: 2 });
    expect(total?.batchRows.count).toBe(4);
    expect(total?.batchRows.max).toBe(4);
    expect([total?.wait.count, total?.run.count, total?.total.count]).toEqual([3, 3, 3]);
    expect(total?.total.quantile(0.5)).toBeGreaterThanOrEqual(total?.wait.min as number);
    expect(buckets.reduce((sum, { figures }) => sum + figures.ended, 0)).toBe(4);
  });

  it('counts a job that infer did not add under its queue, and under no model', async () => {
    await kit.submit(0);
    const stock = await kit.submit(0, 9);
    await queue.client.hset(queue.base + stock.id, { name: 'stock', data: '{"hello":"world"}' });
    kit.runner.auto = () => undefined;
    const worker = await kit.start({ burst: true });
    await kit.ended;
    const total = (await reportOf(worker)).totals.get(queue.queue);
    expect(total?.jobs).toMatchObject({ completed: 1, failed: 1 });
    expect(total?.codes).toEqual({ NOT_OURS: 1 });
    expect([...(total?.models.keys() ?? [])]).toEqual(['m']);
  });

  it('has run times for what ran, failures included, and none for what did not', async () => {
    const late = await kit.submit(0, 0, 1, { deadline: Date.now() - 1 });
    const bad = await kit.submit(0, 0, 2);
    kit.runner.auto = () => {
      const until = performance.now() + 3;
      while (performance.now() < until);
      return new InferError('RUN_FAILED', 'bad');
    };
    const worker = await kit.start({ burst: true });
    await kit.ended;
    expect((await queue.record(late.id)).meta?.runMs).toBeNull();
    // Three runs: both rows, then each alone.
    expect((await queue.record(bad.id)).meta?.runMs).toBeGreaterThanOrEqual(9);
    const run = (await reportOf(worker)).totals.get(queue.queue)?.run;
    expect([run?.count, run?.quantile(0.5)]).toEqual([1, expect.toSatisfy((ms: number) => ms >= 8.5)]);
  });

  it('is sent once; what could not be sent goes with the next', async () => {
    kit.runner.auto = () => undefined;
    await kit.submit(0);
    const worker = await kit.start({ burst: true });
    await kit.ended;
    const refused = worker.endings.work.send(() => Promise.reject(new Error('away')));
    await expect(refused).rejects.toThrow('away');
    expect((await reportOf(worker)).buckets).toHaveLength(1);
    expect((await reportOf(worker)).buckets).toHaveLength(0);
  });

  it('is kept in buckets of ten seconds, none of which is lost at a boundary', async () => {
    kit.runner.auto = () => undefined;
    const worker = await kit.start();
    const first = await kit.submit(0);
    await expect.poll(() => queue.record(first.id)).toMatchObject({ state: 'completed' });
    queue.offsetMs = 10_000;
    const second = await kit.submit(0);
    await expect.poll(() => queue.record(second.id)).toMatchObject({ state: 'completed' });
    await expect.poll(async () => (await reportOf(worker)).totals.get(queue.queue)?.jobs.completed).toBe(2);
    await worker.endings.work.send(() => Promise.reject(new Error('away'))).catch(() => undefined);
    const now = bucketAt(queue.clock.now());
    const third = await kit.submit(0);
    await expect.poll(() => queue.record(third.id)).toMatchObject({ state: 'completed' });
    const { buckets } = await reportOf(worker);
    expect(buckets.every(({ bucket }) => now - bucket <= 1)).toBe(true);
  });
});
