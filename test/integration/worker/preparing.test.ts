import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import type { RowTensor } from '../../../src/lib/model/tensor.js';
import type { PreparePool } from '../../../src/lib/prepare/prepare-pool.js';
import type { PreparedRows } from '../../../src/lib/prepare/prepare-rows.js';
import { useRedis } from '../../support/redis.js';
import type { QueueKit } from '../queue/queue-kit.js';
import { WorkerKit } from './worker-kit.js';

const redis = useRedis();
let kit: WorkerKit;
let queue: QueueKit;
let pool: HeldPool;
beforeEach(async () => {
  kit = await WorkerKit.open(redis);
  queue = kit.lanes[0] as QueueKit;
  pool = new HeldPool();
});
afterEach(() => kit.close());

/** Preparations that end when the test says so; a prepared row is the raw one. */
class HeldPool implements Pick<PreparePool, 'prepare' | 'size'> {
  size = 1;
  readonly begun: { rows: number; end(...failed: number[]): void; reject(error: Error): void }[] = [];

  prepare(_plan: unknown, tensor: RowTensor, rows: number): Promise<PreparedRows> {
    const error = new InferError('INPUT_IMAGE', 'the PNG image cannot be decoded');
    return new Promise((resolve, reject) => {
      const end = (...failed: number[]) => resolve({ tensor, failed: failed.map((row) => ({ row, error })) });
      this.begun.push({ rows, end, reject });
    });
  }

  async at(place: number) {
    await expect.poll(() => this.begun.length).toBeGreaterThan(place);
    return this.begun[place] as (typeof this.begun)[number];
  }
}

const start = () => kit.startRaw(pool);
const record = (job: { id: string }) => queue.record(job.id);
const state = async (job: { id: string }) => (await record(job)).state;

describe('a job whose rows are being prepared', () => {
  it('runs when they are, and not before', async () => {
    const job = await kit.submit(0, 5, 2);
    await start();
    const preparing = await pool.at(0);
    expect(kit.runner.all).toEqual([]);
    preparing.end();
    (await kit.runner.next()).finish();
    await expect.poll(() => state(job)).toBe('completed');
    expect(await kit.result(0, job.id)).toEqual(job.xs.map((x) => x + 0.5));
  });

  it('has not started: it is handed back by a drain, as if never taken', async () => {
    const job = await kit.submit(0, 5);
    const worker = await start();
    const preparing = await pool.at(0);
    expect(worker.heartbeat().notStarted).toBeDefined();
    worker.drain();
    await kit.ended;
    expect(await record(job)).toMatchObject({ state: 'waiting', attempts: 0 });
    preparing.end();
    expect(kit.runner.all).toEqual([]);
  });

  it('is cancelled at once', async () => {
    const job = await kit.submit(0, 5);
    const worker = await start();
    const preparing = await pool.at(0);
    await queue.producer.cancel(queue.queue, job.id);
    await worker.renewLocks();
    await expect.poll(() => state(job)).toBe('cancelled');
    preparing.end();
    await expect.poll(() => worker.heldJobs).toBe(0);
    expect(kit.runner.all).toEqual([]);
  });

  it('expires when its deadline passes meanwhile', async () => {
    const job = await kit.submit(0, 5, 1, { deadline: queue.clock.now() + 60_000 });
    await start();
    const preparing = await pool.at(0);
    queue.offsetMs = 120_000;
    preparing.end();
    await expect.poll(() => state(job)).toBe('expired');
    expect(kit.runner.all).toEqual([]);
  });

  it('fails where its only row cannot be prepared, without a run', async () => {
    const job = await kit.submit(0, 5);
    await start();
    (await pool.at(0)).end(0);
    await expect.poll(() => state(job)).toBe('failed');
    expect(await record(job)).toMatchObject({ failure: { code: 'INPUT_IMAGE' } });
    expect(kit.runner.all).toEqual([]);
  });

  it('keeps the results of its good rows, which run in their order', async () => {
    const job = await kit.submit(0, 5, 7);
    await start();
    (await pool.at(0)).end(0, 3);
    kit.runner.auto = () => undefined;
    await expect.poll(() => state(job)).toBe('failed');
    expect(await record(job)).toMatchObject({
      failure: {
        code: 'ROWS_FAILED',
        message: expect.stringContaining('2 of 7 rows failed, the first is row 1'),
      },
    });
    expect(kit.runner.all).toEqual([[1, 2].map((at) => job.xs[at]), [4, 5, 6].map((at) => job.xs[at])]);
    const { done } = await kit.partialMeta(0, job.id);
    expect(done).toEqual([
      [1, 3],
      [4, 7],
    ]);
  });

  it('is retried where the processes do not start', async () => {
    const job = await kit.submit(0, 5);
    await start();
    (await pool.at(0)).reject(new InferError('PREPARE_UNAVAILABLE', 'they do not start'));
    await expect.poll(() => state(job)).toBe('delayed');
  });
});

describe('jobs that follow', () => {
  it('are taken while the first is prepared, but not all of them', async () => {
    const jobs = await Promise.all(Array.from({ length: 20 }, () => kit.submit(0, 5, 4)));
    const worker = await start();
    await pool.at(0);
    await expect.poll(() => queue.client.llen(`${queue.base}active`)).toBeGreaterThan(0);
    expect(worker.heldJobs).toBeLessThan(4);
    kit.runner.auto = () => undefined;
    for (let at = 0; at < jobs.length; at++) (await pool.at(at)).end();
    for (const job of jobs) await expect.poll(() => state(job)).toBe('completed');
  });
});
