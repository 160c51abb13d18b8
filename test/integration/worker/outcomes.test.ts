import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { useRedis } from '../../support/redis.js';
import { until } from '../faults/fault-kit.js';
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
  it('fails only the job at fault, in few runs', async () => {
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

  it.each([
    ['at the start', (at: number) => at < 9],
    ['at the end', (at: number) => at >= 31],
    ['everywhere', (at: number) => at % 4 === 0],
  ])('of one job with many bad rows %s gives every good row its output', async (_, isBad) => {
    const job = await kit.submit(0, 0, 40);
    const bad = new Set(job.xs.filter((_x, at) => isBad(at)));
    kit.runner.auto = (xs) =>
      xs.some((x) => bad.has(x)) ? new InferError('RUN_FAILED', 'bad row') : undefined;
    await kit.start({ burst: true, maxBatch: 8 });
    await kit.ended;
    expect((await queue.record(job.id)).failure?.code).toBe('ROWS_FAILED');
    expect(await kit.result(0, job.id)).toEqual(job.xs.filter((x) => !bad.has(x)).map((x) => x + 0.5));
    // One by one would take 40 runs.
    expect(kit.runner.all.length).toBeLessThanOrEqual(50);
  });

  it("of a job whose rows are all bad costs about one run per row, and fails with its rows' failure", async () => {
    const job = await kit.submit(0, 0, 128);
    kit.runner.auto = () => new InferError('RUN_FAILED', 'bad row', { hint: 'a better row' });
    await kit.start({ burst: true, maxBatch: 16 });
    await kit.ended;
    expect(await queue.record(job.id)).toMatchObject({
      state: 'failed',
      failure: {
        code: 'RUN_FAILED',
        message: 'all 128 rows failed, the first with: bad row',
        hint: 'a better row',
      },
    });
    expect(kit.runner.all.length).toBeLessThanOrEqual(128 + 2 * 16);
    expect(await kit.partialMeta(0, job.id)).toMatchObject({
      of: 128,
      done: [],
      causes: [{ message: 'bad row' }],
    });
  });

  it('whose parts run again lets urgent work go first', async () => {
    const job = await kit.submit(0, 0, 8);
    await kit.start({ maxBatch: 8 });
    (await kit.runner.next()).fail(new InferError('RUN_FAILED', 'bad row'));
    const half = await kit.runner.next();
    expect(half.xs).toHaveLength(4);
    const urgent = await kit.submit(0, 9);
    half.fail(new InferError('RUN_FAILED', 'bad row'));
    const next = await kit.runner.next();
    expect(next.xs).toEqual(urgent.xs);
    next.finish();
    expect((await kit.runner.next()).xs).toEqual(half.xs.slice(2));
    expect(await state(job.id)).toBe('active');
  });

  it('counts towards the time limits of the job that ran alone in it', async () => {
    const [hard, soft] = [
      await kit.submit(0, 0, 64, { timeLimitMs: 5 }),
      await kit.submit(0, 0, 64, { softTimeLimitMs: 5 }),
    ];
    kit.runner.auto = (xs) => {
      const until = performance.now() + 2;
      while (performance.now() < until);
      return xs.length > 1 ? new InferError('RUN_FAILED', 'bad row') : undefined;
    };
    await kit.start({ burst: true, maxBatch: 64 });
    await kit.ended;
    expect((await queue.record(hard.id)).failure?.code).toBe('TIME_LIMIT');
    expect(await queue.record(soft.id)).toMatchObject({
      failure: { code: 'SOFT_TIME_LIMIT' },
      meta: { runMs: expect.toSatisfy((ms: number) => ms >= 5) },
    });
    expect(kit.runner.all.length).toBeLessThan(10);
  });

  it('of one job whose rows crash the runner isolates them, also several together', async () => {
    const job = await kit.submit(0, 0, 40);
    const bad = new Set(job.xs.slice(0, 9));
    kit.runner.auto = (xs) => (xs.some((x) => bad.has(x)) ? died() : undefined);
    await kit.start({ burst: true, maxBatch: 8 });
    await kit.ended;
    expect((await queue.record(job.id)).failure).toMatchObject({
      code: 'ROWS_FAILED',
      message: expect.stringContaining('9 of 40 rows failed, the first is row 1 (RUNNER_DIED)'),
    });
    expect(await kit.result(0, job.id)).toEqual(job.xs.slice(9).map((x) => x + 0.5));
  });

  it('that crashes the runner on every row stops after some, and its job is retried later', async () => {
    const job = await kit.submit(0, 0, 256, { retryDelayMs: 60_000 });
    kit.runner.auto = () => new InferError('DEVICE_ERROR', 'out of memory');
    await kit.start({ maxBatch: 8 });
    await expect.poll(() => state(job.id), { timeout: 30_000 }).toBe('delayed');
    expect(kit.runner.all.length).toBe(24);
  });

  it('that crashes the runner too often leaves the remaining rows untried, and says so', async () => {
    const job = await kit.submit(0, 0, 200);
    const good = new Set(job.xs.slice(0, 4));
    kit.runner.auto = (xs) =>
      xs.every((x) => good.has(x)) ? undefined : new InferError('DEVICE_ERROR', 'out of memory');
    await kit.start({ burst: true });
    await kit.ended;
    expect(kit.runner.all.length).toBe(65);
    expect((await queue.record(job.id)).failure?.code).toBe('ROWS_FAILED');
    expect(await kit.result(0, job.id)).toEqual([...good].map((x) => x + 0.5));
    const { errors, causes } = await kit.partialMeta(0, job.id);
    expect(Object.keys(errors)).toHaveLength(196);
    expect(causes?.map(({ message }) => message)).toEqual([
      'out of memory',
      expect.stringContaining('not run again'),
    ]);
  });

  it('in which only some rows failed keeps the others without another run', async () => {
    const job = await kit.submit(0, 0, 6);
    const [alone, other] = [await kit.submit(0), await kit.submit(0)];
    await kit.start({ burst: true, maxBatch: 8 });
    const run = await kit.runner.next();
    expect(run.xs).toHaveLength(8);
    run.finishBut(new InferError('HANDLER_FAILED', 'no cats'), 0, 3, 6);
    await kit.ended;
    expect(kit.runner.all).toHaveLength(1);
    expect((await queue.record(job.id)).failure).toMatchObject({
      code: 'ROWS_FAILED',
      message: '2 of 6 rows failed, the first is row 1 (HANDLER_FAILED): no cats',
    });
    expect(await kit.result(0, job.id)).toEqual(
      job.xs.filter((_, at) => at !== 0 && at !== 3).map((x) => x + 0.5),
    );
    expect(await kit.partialMeta(0, job.id)).toMatchObject({
      of: 6,
      done: [
        [1, 3],
        [4, 6],
      ],
    });
    expect((await queue.record(alone.id)).failure).toMatchObject({
      code: 'HANDLER_FAILED',
      message: 'no cats',
    });
    expect(await kit.result(0, other.id)).toEqual(other.xs.map((x) => x + 0.5));
  });

  it('of a dead runner costs the other jobs nothing, and a new runner is started', async () => {
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

  it('that kills the runner every time fails only its job, after its attempts, with the reason', async () => {
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

  it('that may be temporary delays its job', async () => {
    const [job] = await submitMany(1, { retryDelayMs: 60_000 });
    kit.runner.auto = () => new InferError('DEVICE_ERROR', 'out of memory');
    await kit.start();
    const { id } = job as { id: string };
    await expect.poll(() => state(id)).toBe('delayed');
    kit.runner.auto = () => undefined;
    await queue.passTime(120_000);
    // A new job wakes the lane, which sees that the delayed one is due.
    await submitMany(1);
    await expect.poll(() => state(id)).toBe('completed');
    expect((await queue.record(id)).attempts).toBe(2);
  });

  it('is repeated on retry in a run without any other job', async () => {
    const active = () => queue.client.llen(`${queue.base}active`);
    await kit.start();
    // Nothing is prefetched before its first run: the model may take minutes.
    await submitMany(1);
    (await kit.runner.next()).finish();
    const [suspect] = (await submitMany(1, { retryDelayMs: 0 })) as [{ id: string; xs: number[] }];
    const first = await kit.runner.next();
    const [between] = (await submitMany(1)) as [{ id: string; xs: number[] }];
    await expect.poll(active).toBe(2);
    first.fail(new InferError('DEVICE_ERROR', 'out of memory'));
    const second = await kit.runner.next();
    expect(second.xs).toEqual(between.xs);
    const [last] = (await submitMany(1)) as [{ id: string; xs: number[] }];
    // All three are held: without its failure the suspect would share the next run.
    await expect.poll(active).toBe(3);
    second.finish();
    const runs = [await kit.runner.next()];
    runs[0]?.finish();
    runs.push(await kit.runner.next());
    runs[1]?.finish();
    expect(runs.map(({ xs }) => xs).sort()).toEqual([suspect.xs, last.xs].sort());
    await expect.poll(() => state(suspect.id)).toBe('completed');
  });

  it('that returns fewer rows than it got assigns no result to the wrong job', async () => {
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
  it.each([['without a model', { model: '' }, 'NOT_OURS']])(
    'fails with its code, and the others run: %s',
    async (_, more, code) => {
      const bad = await kit.submit(0, 9, 1, more);
      const good = await kit.submit(0);
      kit.runner.auto = () => undefined;
      await kit.start({ burst: true });
      await kit.ended;
      expect(await queue.record(bad.id)).toMatchObject({ state: 'failed', failure: { code } });
      expect(await state(good.id)).toBe('completed');
    },
  );

  it('because its model is not served here waits, and a burst ends without it', async () => {
    const other = await kit.submit(0, 9, 1, { model: 'other' });
    const pinned = await kit.submit(0, 9, 1, { version: 2 });
    const good = await kit.submit(0);
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    expect(await queue.states([other.id, pinned.id, good.id])).toEqual(['waiting', 'waiting', 'completed']);
  });

  it('because its name and data name different models fails with its code, and is not taken repeatedly', async () => {
    const bad = await kit.submit(0, 9, 1, { model: 'other' });
    await queue.client.hset(queue.base + bad.id, 'name', 'm#1');
    const good = await kit.submit(0);
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    expect(await queue.record(bad.id)).toMatchObject({ state: 'failed', failure: { code: 'MODEL_UNKNOWN' } });
    expect(await state(good.id)).toBe('completed');
  });

  it('because its input is missing or damaged fails with its code', async () => {
    const [lost, damaged, empty] = await queue.submit(
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
    expect(await code(damaged)).toBe('JOB_DAMAGED');
    expect(await code(empty)).toBe('JOB_DAMAGED');
  });

  it('because its deadline passed expires without a run', async () => {
    const late = await kit.submit(0, 0, 1, { deadline: Date.now() - 1 });
    const good = await kit.submit(0, 0, 1, { deadline: Date.now() + 600_000 });
    kit.runner.auto = () => undefined;
    await kit.start({ burst: true });
    await kit.ended;
    expect(await queue.record(late.id)).toMatchObject({ state: 'expired', failure: { code: 'EXPIRED' } });
    expect(await state(good.id)).toBe('completed');
    expect(kit.runner.all.flat()).toEqual(good.xs);
  });

  const LATER_MS = 300_000;
  const AFTER_MS = 600_000;

  it("because its deadline passed is not repeated after another job's crash, while others are", async () => {
    const late = await kit.submit(0, 0, 1, { deadline: Date.now() + LATER_MS });
    const [culprit, good] = await submitMany(2, { attempts: 1 });
    await kit.start({ burst: true });
    const shared = await kit.runner.next();
    expect(shared.xs).toHaveLength(3);
    queue.offsetMs = AFTER_MS;
    kit.runner.auto = (xs) => (xs.includes(culprit?.xs[0] as number) ? died() : undefined);
    shared.fail(died());
    await kit.ended;
    expect(await queue.record(late.id)).toMatchObject({ state: 'expired', failure: { code: 'EXPIRED' } });
    expect(await state(good?.id as string)).toBe('completed');
    expect(kit.runner.all.slice(1).flat()).not.toContain(late.xs[0]);
  });

  it('does not include one that started before its deadline, which continues even after its own crash', async () => {
    const long = await kit.submit(0, 0, 2, { deadline: Date.now() + LATER_MS });
    await kit.start({ burst: true });
    const crash = await kit.runner.next();
    queue.offsetMs = AFTER_MS;
    crash.fail(died());
    (await kit.runner.next()).finish();
    (await kit.runner.next()).finish();
    await kit.ended;
    expect(await kit.result(0, long.id)).toEqual(long.xs.map((value) => value + 0.5));
  });

  it('while a runner restarts takes no place in a run: it may expire, and urgent work goes first', async () => {
    const culprit = await kit.submit(0, 0, 1, { attempts: 1 });
    const worker = await kit.start();
    const crash = await kit.runner.next();
    let open: () => void = () => undefined;
    kit.runner.gate = new Promise((resolve) => {
      open = resolve;
    });
    const late = await kit.submit(0, 0, 1, { deadline: Date.now() + LATER_MS });
    const good = await kit.submit(0, 0);
    crash.fail(died());
    await until(async () => ((await state(culprit.id)) === 'failed' ? true : undefined));
    await until(async () => (worker.heldJobs >= 2 ? true : undefined));
    const urgent = await kit.submit(0, 9);
    queue.offsetMs = AFTER_MS;
    kit.runner.auto = () => undefined;
    open();
    await until(async () => ((await state(good.id)) === 'completed' ? true : undefined));
    expect(await state(late.id)).toBe('expired');
    expect(kit.runner.all.flat()).toEqual([...culprit.xs, ...urgent.xs, ...good.xs]);
  });
});

describe('a held job', () => {
  it('whose lock was lost is dropped: nothing is stored, and its new holder is not disturbed', async () => {
    const other = await queue.consumer();
    const job = await kit.submit(0);
    const worker = await kit.start();
    const run = await kit.runner.next();
    await queue.loseLock(job.id);
    expect((await other.recover()).requeued).toEqual([job.id]);
    await worker.renewLocks();
    run.finish();
    // The same worker may take it again, under another lock.
    const again = await kit.runner.next();
    expect(again.xs).toEqual(job.xs);
    expect(await kit.result(0, job.id)).toBeUndefined();
    again.finish();
    await expect.poll(() => state(job.id)).toBe('completed');
    expect(await queue.record(job.id)).toMatchObject({ attempts: 2 });
  });

  it('that lost a worker before runs with no other job in its run', async () => {
    const [dead, alive] = [await queue.consumer(), await queue.consumer()];
    const suspect = await kit.submit(0);
    await dead.take(1);
    await queue.loseLock(suspect.id);
    expect((await alive.recover()).requeued).toEqual([suspect.id]);
    const others = [await kit.submit(0), await kit.submit(0)];
    await kit.start();
    const run = await kit.runner.next();
    expect(run.xs).toEqual(suspect.xs);
    // If it killed this worker too, the others would not be held and not counted as lost.
    await expect.poll(() => queue.client.llen(`${queue.base}active`)).toBe(1);
    run.finish();
    const next = await kit.runner.next();
    expect(next.xs).toEqual(others.flatMap((job) => job.xs));
    next.finish();
    await expect.poll(() => state(others[1]?.id ?? '')).toBe('completed');
  });

  it('is cancelled at the next renewal while waiting, and after its run while running', async () => {
    const [worker, [running, held]] = await kit.startWarm(
      async () => [await kit.submit(0, 0, 4), await kit.submit(0, 0, 1)] as const,
    );
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
    expect((await queue.record(held.id)).meta?.runMs).toBeNull();
    expect((await queue.record(running.id)).meta?.runMs).toBe(1);
  });

  it('appears in the heartbeat while it runs', async () => {
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
