import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { useRedis } from '../../support/redis.js';
import type { QueueKit } from '../queue/queue-kit.js';
import { died, WorkerKit } from './worker-kit.js';

const redis = useRedis();
let kit: WorkerKit;
let queue: QueueKit;
beforeEach(async () => {
  kit = await WorkerKit.open(redis);
  queue = kit.lanes[0] as QueueKit;
});
afterEach(() => kit.close());

async function submitMany(count: number, more = {}): Promise<{ id: string; xs: number[] }[]> {
  const jobs: { id: string; xs: number[] }[] = [];
  for (let i = 0; i < count; i++) jobs.push(await kit.submit(0, 0, 1, more));
  return jobs;
}

const state = async (id: string) => (await queue.record(id)).state;

describe('a failing run', () => {
  it('fails the one job to blame and no other, in few runs', async () => {
    const jobs = await submitMany(8);
    const culprit = jobs[5] as (typeof jobs)[0];
    kit.runner.auto = (xs) =>
      xs.includes(culprit.xs[0] as number) ? new InferError('RUN_FAILED', 'bad row') : undefined;
    await kit.start({ burst: true, maxBatch: 8 });
    await kit.ended;
    for (const job of jobs) {
      if (job === culprit) continue;
      expect(await kit.result(0, job.id)).toEqual([(job.xs[0] as number) + 0.5]);
    }
    expect(await queue.record(culprit.id)).toMatchObject({
      state: 'failed',
      attempts: 1,
      failure: { code: 'RUN_FAILED' },
    });
    expect(await kit.result(0, culprit.id)).toBeUndefined();
    expect(kit.runner.all.length).toBeLessThanOrEqual(7);
  });

  it('of one job with one bad row keeps its other rows, and says which is missing', async () => {
    const job = await kit.submit(0, 0, 10);
    const bad = job.xs[6] as number;
    kit.runner.auto = (xs) => (xs.includes(bad) ? new InferError('RUN_FAILED', 'bad row') : undefined);
    await kit.start({ burst: true });
    await kit.ended;
    const { state: end, failure } = await queue.record(job.id);
    expect([end, failure?.code]).toEqual(['failed', 'ROWS_FAILED']);
    expect(failure?.message).toContain('row 7');
    const others = job.xs.filter((x) => x !== bad);
    expect(await kit.result(0, job.id)).toEqual(others.map((x) => x + 0.5));
  });

  it('of a dead runner costs the innocent nothing, and a new runner is started', async () => {
    const jobs = await submitMany(4);
    let deaths = 0;
    kit.runner.auto = () => (++deaths === 1 ? died() : undefined);
    await kit.start({ burst: true });
    await kit.ended;
    for (const job of jobs) {
      expect(await queue.record(job.id)).toMatchObject({ state: 'completed', attempts: 1 });
    }
    expect(kit.runner.starts).toBe(2);
  });

  it('that kills the runner every time fails its job alone, after its attempts, with the reason', async () => {
    const jobs = await submitMany(4, { attempts: 1 });
    const culprit = jobs[2] as (typeof jobs)[0];
    kit.runner.auto = (xs) => (xs.includes(culprit.xs[0] as number) ? died() : undefined);
    await kit.start({ burst: true });
    await kit.ended;
    for (const job of jobs) {
      expect(await state(job.id)).toBe(job === culprit ? 'failed' : 'completed');
    }
    expect((await queue.record(culprit.id)).failure).toMatchObject({
      code: 'RUNNER_DIED',
      message: expect.stringContaining('SIGSEGV'),
    });
  });

  it('that another try may cure delays its job', async () => {
    const [job] = await submitMany(1, { retryDelayMs: 60_000 });
    kit.runner.auto = () => new InferError('DEVICE_ERROR', 'out of memory');
    await kit.start();
    const { id } = job as { id: string };
    await expect.poll(() => state(id)).toBe('delayed');
    kit.runner.auto = () => undefined;
    queue.offsetMs = 120_000;
    // A new job wakes the lane, which sees that the delayed one is due.
    await submitMany(1);
    await expect.poll(() => state(id)).toBe('completed');
    expect((await queue.record(id)).attempts).toBe(2);
  });

  it('that answers fewer rows than it got hands no result to the wrong job', async () => {
    const jobs = await submitMany(2);
    await kit.start();
    const run = await kit.runner.next();
    expect(run.xs).toHaveLength(2);
    (run.xs as number[]).pop();
    run.finish();
    for (const _ of jobs) {
      const alone = await kit.runner.next();
      expect(alone.xs).toHaveLength(1);
      alone.finish();
    }
    for (const job of jobs) {
      await expect.poll(() => kit.result(0, job.id)).toEqual([(job.xs[0] as number) + 0.5]);
    }
  });
});

describe('a job that cannot be run', () => {
  it.each([
    ['of a model not served here', { model: 'other' }, 'MODEL_UNKNOWN'],
    ['without a model', { model: '' }, 'NOT_OURS'],
  ])('%s fails by name, and the others run', async (_, more, code) => {
    const bad = await kit.submit(0, 9, 1, more);
    const good = await kit.submit(0);
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    expect(await queue.record(bad.id)).toMatchObject({ state: 'failed', failure: { code } });
    expect(await state(good.id)).toBe('completed');
  });

  it('with its input gone or damaged fails by name', async () => {
    const [lost, damaged, misfit] = await queue.submit(
      { input: Buffer.alloc(5000) },
      { input: Buffer.from('no envelope at all') },
      { input: Buffer.alloc(0) },
    );
    await queue.client.del(queue.inputKey(lost as string));
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    const code = async (id?: string) => (await queue.record(id as string)).failure?.code;
    expect(await code(lost)).toBe('INPUT_LOST');
    expect(await code(damaged)).toBe('ENVELOPE');
    expect(await code(misfit)).toBe('INPUT_LOST');
  });

  it('past its deadline expires without a run', async () => {
    const late = await kit.submit(0, 0, 1, { deadline: Date.now() - 1 });
    const good = await kit.submit(0, 0, 1, { deadline: Date.now() + 600_000 });
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    expect(await queue.record(late.id)).toMatchObject({ state: 'expired', failure: { code: 'EXPIRED' } });
    expect(await state(good.id)).toBe('completed');
    expect(kit.runner.all.flat()).toEqual(good.xs);
  });
});

describe('a held job', () => {
  it('whose lock was lost is dropped: nothing is stored, the other holder is not disturbed', async () => {
    const other = await queue.consumer();
    const job = await kit.submit(0);
    const worker = await kit.start();
    const run = await kit.runner.next();
    await queue.loseLock(job.id);
    expect((await other.recover()).requeued).toEqual([job.id]);
    await worker.renewLocks();
    run.finish();
    // It may be the same worker that takes it again, under another lock.
    const again = await kit.runner.next();
    expect(again.xs).toEqual(job.xs);
    expect(await kit.result(0, job.id)).toBeUndefined();
    again.finish();
    await expect.poll(() => state(job.id)).toBe('completed');
    expect(await queue.record(job.id)).toMatchObject({ attempts: 2 });
  });

  it('that lost its worker before runs with nothing held beside it', async () => {
    const [dead, alive] = [await queue.consumer(), await queue.consumer()];
    const suspect = await kit.submit(0);
    await dead.take(1);
    await queue.loseLock(suspect.id);
    expect((await alive.recover()).requeued).toEqual([suspect.id]);
    const others = [await kit.submit(0), await kit.submit(0)];
    await kit.start();
    const run = await kit.runner.next();
    expect(run.xs).toEqual(suspect.xs);
    // Were it to kill this worker too, the others would not have been there to be counted as lost.
    await expect.poll(() => queue.client.llen(`${queue.base}active`)).toBe(1);
    run.finish();
    const next = await kit.runner.next();
    expect(next.xs).toEqual(others.flatMap((job) => job.xs));
    next.finish();
    await expect.poll(() => state(others[1]?.id ?? '')).toBe('completed');
  });

  it('that waits is cancelled at the next renewal, one that runs after its run', async () => {
    const running = await kit.submit(0, 0, 4);
    const held = await kit.submit(0, 0, 1);
    const worker = await kit.start();
    const run = await kit.runner.next();
    await expect.poll(() => state(held.id)).toBe('active');
    for (const job of [running, held]) {
      expect(await queue.producer.cancel(queue.queue, job.id)).toBe('active');
    }
    await worker.renewLocks();
    await expect.poll(() => state(held.id)).toBe('cancelled');
    expect(await state(running.id)).toBe('active');
    run.finish();
    await expect.poll(() => state(running.id)).toBe('cancelled');
    expect(await kit.result(0, running.id)).toBeUndefined();
  });

  it('is seen in the heartbeat while it runs', async () => {
    const job = await kit.submit(0, 0, 2);
    const worker = await kit.start();
    const run = await kit.runner.next();
    expect(worker.heartbeat()).toMatchObject({
      state: 'ready',
      queues: [queue.queue],
      models: [{ name: 'm', version: 1 }],
      active: [{ id: job.id, rows: 2, attempt: 1, queue: queue.queue }],
    });
    run.finish();
    await expect.poll(() => worker.heartbeat()).toMatchObject({ active: [], jobsDone: 1, rowsDone: 2 });
  });
});
