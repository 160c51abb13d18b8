import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { QueueConsumer } from '../../src/lib/queue/broker/consumer-port.js';
import type { JobRecord, JobSpec, ResultMeta, Settlement, TakenJob } from '../../src/lib/queue/types.js';

/** A queue for one test, and the means of a client, an operator and time. */
export interface ConformanceQueue {
  /** Another worker's consumer of the queue; a job that lost three workers is poison. */
  consumer(): Promise<QueueConsumer>;
  /** Adds jobs in this order, each of one row of model `m` and priority 0 by default; returns their ids. */
  submit(...jobs: (Partial<JobSpec> & { input?: Uint8Array })[]): Promise<string[]>;
  cancel(id: string): Promise<unknown>;
  setPaused(paused: boolean): Promise<void>;
  record(id: string): Promise<JobRecord>;
  /** The result of a job; undefined where none is stored. */
  result(id: string): Promise<Uint8Array | undefined>;
  /** The lock of a held job expires now. */
  loseLock(id: string): Promise<void>;
  /** Delayed jobs and deadlines are due this much sooner. */
  passTime(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** A wait that no test outlasts: a consumer that is not woken does not return from it. */
const LONG_MS = 600_000;
const HOUR_MS = 3_600_000;
const META: ResultMeta = { worker: 'w', device: 'cpu', attempts: 1, queueMs: 1, runMs: 2, totalMs: 3 };
const FAILURE = { code: 'RUN_FAILED', message: 'the model says no' };
const NEVER = new AbortController().signal;

const ids = (jobs: readonly TakenJob[]) => jobs.map((job) => job.spec.id);
const completed = (job: TakenJob, result = 'result'): Settlement => ({
  kind: 'completed',
  job,
  result: Buffer.from(result),
  meta: META,
});
const released = (job: TakenJob): Settlement => ({ kind: 'release', job });

/**
 * What any `QueueConsumer` must guarantee, wherever it stores its jobs: a worker relies on all of it and on nothing
 * else.
 * @param open a queue that no other test uses
 */
export function consumerConformance(name: string, open: () => Promise<ConformanceQueue>): void {
  let queue: ConformanceQueue;
  let one: QueueConsumer;
  let other: QueueConsumer;

  const state = async (id: string) => (await queue.record(id)).state;
  const takeOne = async (consumer = one) => {
    const [job] = await consumer.take(1);
    if (job === undefined) throw new Error('nothing to take');
    return job;
  };
  const submitOne = async (job: Parameters<ConformanceQueue['submit']>[0] = {}) =>
    (await queue.submit(job))[0] as string;

  describe(`${name}, as a consumer of a queue`, () => {
    beforeEach(async () => {
      queue = await open();
      [one, other] = [await queue.consumer(), await queue.consumer()];
    });
    afterEach(() => queue.close());

    describe('take', () => {
      it('returns the most urgent job first, and the earliest of one priority', async () => {
        const [low, a, high, b] = await queue.submit(
          { priority: 1 },
          { priority: 5 },
          { priority: 9 },
          { priority: 5 },
        );
        expect(ids(await one.take(10))).toEqual([high, a, b, low]);
        expect(await one.take(10)).toEqual([]);
      });

      it('returns each job once, however many consumers ask', async () => {
        const all = await queue.submit({}, {}, {}, {});
        const taken = await Promise.all([one.take(2), other.take(2), one.take(2)]);
        expect(ids(taken.flat()).sort()).toEqual([...all].sort());
      });

      it('stops at the requested rows, returns at least one job, and tells whether more are left', async () => {
        const [large, small] = await queue.submit({ rows: 40 }, { rows: 2 });
        expect(ids(await one.take(8))).toEqual([large]);
        expect(one.more).toBe(true);
        expect(ids(await one.take(8))).toEqual([small]);
        expect(one.more).toBe(false);
      });

      it('prefetches quick jobs, and leaves slow ones for any worker', async () => {
        one.serve(['quick', 'slow']);
        const [quick, slow] = await queue.submit({ model: 'quick' }, { model: 'slow' });
        const runs = new Map([
          ['quick', { rows: 4, ms: 10 }],
          ['slow', { rows: 4, ms: 2000 }],
        ]);
        const room = { idle: 0, ahead: 1, horizonMs: 100, jobs: 10, runs };
        expect(ids(await one.take(room))).toEqual([quick]);
        expect([one.more, one.full]).toEqual([true, true]);
        expect(ids(await one.take({ ...room, idle: 1, ahead: 0 }))).toEqual([slow]);
      });

      it('with a floor returns only more urgent jobs', async () => {
        const [, high] = await queue.submit({ priority: 5 }, { priority: 6 });
        expect(ids(await one.take(10, 5))).toEqual([high]);
        expect(await one.take(10, 5)).toEqual([]);
      });

      it('returns what was submitted, with its time and attempt number', async () => {
        const input = Uint8Array.from({ length: 100_000 }, (_, at) => at % 256);
        const id = await submitOne({ priority: 7, rows: 3, input, attempts: 2 });
        const job = await takeOne();
        expect(job).toMatchObject({ attempt: 1, failures: 0, stalls: 0 });
        expect(job.spec).toMatchObject({
          id,
          queue: one.queue,
          model: 'm',
          rows: 3,
          priority: 7,
          attempts: 2,
        });
        expect(Buffer.from(job.input).equals(input)).toBe(true);
        expect(job.takenAt).toBeGreaterThanOrEqual(job.submittedAt);
        expect(await queue.record(id)).toMatchObject({ state: 'active', attempts: 1 });
      });

      it('returns nothing from a paused queue, which counts no job as waiting', async () => {
        const id = await submitOne();
        await queue.setPaused(true);
        expect([await one.take(10), await one.waiting()]).toEqual([[], 0]);
        await queue.setPaused(false);
        expect(await one.waiting()).toBe(1);
        expect(ids(await one.take(10))).toEqual([id]);
      });

      it('returns a delayed job when it is due, and not earlier', async () => {
        const id = await submitOne({ notBefore: Date.now() + HOUR_MS });
        expect(await one.take(10)).toEqual([]);
        await queue.passTime(HOUR_MS);
        expect(ids(await one.take(10))).toEqual([id]);
      });
    });

    describe('serve', () => {
      it('leaves jobs of other models to the consumers that serve them', async () => {
        one.serve(['m']);
        other.serve(['n', 'n@2']);
        const [m, n, pinned] = await queue.submit({}, { model: 'n' }, { model: 'n', version: 2 });
        expect(ids(await one.take(10))).toEqual([m]);
        expect(await one.waiting()).toBe(0);
        expect(await other.waiting()).toBe(2);
        expect(ids(await other.take(10))).toEqual([n, pinned]);
      });

      it('ends a wait, since waiting jobs may be of the models served now', async () => {
        one.serve(['m']);
        const id = await submitOne({ model: 'n' });
        expect(await one.take(10)).toEqual([]);
        const woken = one.waitForWork(LONG_MS, NEVER);
        one.serve(['n']);
        await woken;
        expect(ids(await one.take(10))).toEqual([id]);
      });
    });

    describe('settle', () => {
      it('ends a job with its result', async () => {
        const id = await submitOne();
        expect(await one.settle([completed(await takeOne())])).toEqual([true]);
        expect(await queue.record(id)).toMatchObject({ state: 'completed', meta: META });
        expect(String(Buffer.from((await queue.result(id)) ?? []))).toBe('result');
      });

      it('stores no result where none is wanted', async () => {
        const id = await submitOne({ resultTtl: 0 });
        await one.settle([completed(await takeOne())]);
        expect([await state(id), await queue.result(id)]).toEqual(['completed', undefined]);
      });

      it('ends each job with its own outcome, and answers for each separately', async () => {
        const all = await queue.submit({}, {}, {}, {});
        const [a, b, c, d] = (await one.take(4)) as [TakenJob, TakenJob, TakenJob, TakenJob];
        const stranger = { ...d, token: 'another' };
        const outcomes: Settlement[] = [
          { kind: 'failed', job: a, failure: FAILURE, meta: META },
          completed(stranger),
          { kind: 'expired', job: b, failure: { code: 'EXPIRED', message: 'late' }, meta: META },
          { kind: 'cancelled', job: c, failure: { code: 'CANCELLED', message: 'unwanted' }, meta: META },
        ];
        expect(await one.settle(outcomes)).toEqual([true, false, true, true]);
        expect(await Promise.all(all.map(state))).toEqual(['failed', 'expired', 'cancelled', 'active']);
        expect(await queue.record(all[0] as string)).toMatchObject({ failure: FAILURE });
        expect(await one.settle([])).toEqual([]);
      });

      it('sent again answers the same and changes nothing', async () => {
        const id = await submitOne();
        const job = await takeOne();
        expect(await one.settle([completed(job)])).toEqual([true]);
        const before = await queue.record(id);
        expect(await one.settle([completed(job)])).toEqual([true]);
        expect(await queue.record(id)).toEqual(before);
      });

      it('refuses the outcome of a lost hold: the later one counts', async () => {
        const id = await submitOne();
        const late = await takeOne();
        await queue.loseLock(id);
        expect((await other.recover()).requeued).toEqual([id]);
        const again = await takeOne(other);
        expect(again).toMatchObject({ attempt: 2, stalls: 1 });
        expect(again.token).not.toBe(late.token);
        expect(await one.settle([completed(late, 'late')])).toEqual([false]);
        expect(await other.settle([completed(again, 'good')])).toEqual([true]);
        expect(await one.settle([completed(late, 'late')])).toEqual([false]);
        expect(String(Buffer.from((await queue.result(id)) ?? []))).toBe('good');
      });

      it('accepts the outcome of an expired lock, as long as no one has recovered the job', async () => {
        const id = await submitOne();
        const job = await takeOne();
        await queue.loseLock(id);
        expect(await one.settle([completed(job)])).toEqual([true]);
        expect(await state(id)).toBe('completed');
      });
    });

    describe('a release', () => {
      it('returns a job to its place, and counts no attempt', async () => {
        const [first, second] = await queue.submit({ priority: 5 }, { priority: 5 });
        const job = await takeOne();
        const urgent = await submitOne({ priority: 9 });
        expect(await one.settle([released(job)])).toEqual([true]);
        expect(await queue.record(first as string)).toMatchObject({ state: 'waiting', attempts: 0 });
        const taken = await other.take(10);
        expect(ids(taken)).toEqual([urgent, first, second]);
        expect(taken[1]).toMatchObject({ attempt: 1, failures: 0, stalls: 0 });
      });
    });

    describe('a retry', () => {
      it('waits its delay, and then delivers the job with its failure counted', async () => {
        const id = await submitOne();
        const job = await takeOne();
        const retry: Settlement = { kind: 'retry', job, failure: FAILURE, delayMs: HOUR_MS };
        expect(await one.settle([retry])).toEqual([true]);
        expect([await state(id), await one.take(10)]).toEqual(['delayed', []]);
        await queue.passTime(HOUR_MS);
        expect(await takeOne()).toMatchObject({ attempt: 2, failures: 1, stalls: 0 });
      });
    });

    describe('renew', () => {
      it('reports which holds are lost, and which jobs are to be cancelled', async () => {
        const [kept, lost, unwanted] = (await queue.submit({}, {}, {})) as [string, string, string];
        const jobs = await one.take(3);
        await queue.loseLock(lost);
        await other.recover();
        await queue.cancel(unwanted);
        const answer = await one.renew(jobs);
        expect([ids(answer.lost), ids(answer.cancelled)]).toEqual([[lost], [unwanted]]);
        expect(await state(kept)).toBe('active');
        expect(await one.renew([])).toEqual({ lost: [], cancelled: [] });
      });

      it('extends an expired lock if no one has recovered the job', async () => {
        const id = await submitOne();
        const job = await takeOne();
        await queue.loseLock(id);
        expect(await one.renew([job])).toEqual({ lost: [], cancelled: [] });
        expect(await other.recover()).toEqual({ requeued: [], poisoned: [] });
      });
    });

    describe('recover', () => {
      it('returns a lost job to the front of its own priority, and leaves others alone', async () => {
        const [lost, same] = await queue.submit({ priority: 5 }, { priority: 5 });
        await takeOne();
        const urgent = await submitOne({ priority: 9 });
        expect(await other.recover()).toEqual({ requeued: [], poisoned: [] });
        await queue.loseLock(lost as string);
        expect(await other.recover()).toEqual({ requeued: [lost], poisoned: [] });
        expect(ids(await other.take(10))).toEqual([urgent, lost, same]);
      });

      it('fails a job as poison at the third loss', async () => {
        const id = await submitOne();
        for (const stalls of [0, 1]) {
          expect(await takeOne()).toMatchObject({ stalls });
          await queue.loseLock(id);
          expect(await other.recover()).toEqual({ requeued: [id], poisoned: [] });
        }
        await takeOne();
        await queue.loseLock(id);
        expect(await other.recover()).toEqual({ requeued: [], poisoned: [id] });
        expect(await queue.record(id)).toMatchObject({ state: 'failed', failure: { code: 'POISON' } });
      });
    });

    describe('a cancelled job', () => {
      it('is no longer delivered when it was waiting', async () => {
        const [unwanted, wanted] = (await queue.submit({}, {})) as [string, string];
        await queue.cancel(unwanted);
        expect(await state(unwanted)).toBe('cancelled');
        expect(ids(await one.take(10))).toEqual([wanted]);
      });
    });

    describe('a deadline', () => {
      it('ends a job that was not started by then', async () => {
        const [late, free] = (await queue.submit({ deadline: Date.now() + HOUR_MS }, {})) as [string, string];
        expect(await one.expireDue()).toEqual([]);
        await queue.passTime(2 * HOUR_MS);
        expect(await one.expireDue()).toEqual([late]);
        expect([await state(late), await one.expireDue()]).toEqual(['expired', []]);
        expect(ids(await one.take(10))).toEqual([free]);
      });
    });

    describe('waitForWork', () => {
      it('ends when a job arrives', async () => {
        expect(await one.take(1)).toEqual([]);
        const woken = one.waitForWork(LONG_MS, NEVER);
        await submitOne();
        await woken;
        expect(await one.take(1)).toHaveLength(1);
      });

      it('ends when a job is returned, or a paused queue is resumed', async () => {
        const id = await submitOne();
        const job = await takeOne();
        expect(await other.take(1)).toEqual([]);
        const woken = other.waitForWork(LONG_MS, NEVER);
        await one.settle([released(job)]);
        await woken;
        await queue.setPaused(true);
        expect(await other.take(1)).toEqual([]);
        const resumed = other.waitForWork(LONG_MS, NEVER);
        await queue.setPaused(false);
        await resumed;
        expect(ids(await other.take(1))).toEqual([id]);
      });

      it('ends on its timeout, its signal and the close of its consumer', async () => {
        const from = performance.now();
        await one.waitForWork(20, NEVER);
        // It waited at all: a timer of the store may be a few milliseconds early.
        expect(performance.now() - from).toBeGreaterThan(10);
        const ends: string[] = [];
        const stop = new AbortController();
        const waiting = one.waitForWork(LONG_MS, stop.signal).then(() => ends.push('signal'));
        // An answer of the store that comes later than one to the wait would.
        expect(await other.take(1)).toEqual([]);
        expect(ends).toEqual([]);
        stop.abort();
        await waiting;
        const closing = one.waitForWork(LONG_MS, NEVER).then(() => ends.push('close'));
        expect(await other.take(1)).toEqual([]);
        expect(ends).toEqual(['signal']);
        await one.close();
        await closing;
        expect(ends).toEqual(['signal', 'close']);
        await one.close();
      });

      it('wakes the next worker for what the woken one leaves', async () => {
        const both = [one.waitForWork(LONG_MS, NEVER), other.waitForWork(LONG_MS, NEVER)];
        await queue.submit({}, {});
        await Promise.race(both);
        expect(await one.take(1)).toHaveLength(1);
        await Promise.all(both);
        expect(await other.take(1)).toHaveLength(1);
      });
    });

    describe('takeOnWake', () => {
      const short = {
        idle: 0,
        ahead: 1,
        horizonMs: 100,
        jobs: 128,
        runs: new Map([['m', { rows: 1, ms: 1 }]]),
      };
      beforeEach(() => one.serve(['m']));

      it('brings the job that ends the sleep, and says whether more wait', async () => {
        const taken = one.takeOnWake(short, LONG_MS, NEVER);
        const id = await submitOne({ model: 'm' });
        expect(ids(await taken)).toEqual([id]);
        expect(one.more).toBe(false);
        const next = one.takeOnWake(short, LONG_MS, NEVER);
        await queue.submit({ model: 'm' }, { model: 'm' });
        expect(await next).toHaveLength(1);
      });

      it('leaves a job for which there is no room, and says so', async () => {
        const long = { ...short, runs: new Map([['m', { rows: 1, ms: 1000 }]]) };
        const taken = one.takeOnWake(long, LONG_MS, NEVER);
        const id = await submitOne({ model: 'm' });
        expect(await taken).toEqual([]);
        expect([one.more, one.full]).toEqual([true, true]);
        expect(ids(await one.take(1))).toEqual([id]);
      });

      it('ends on its timeout with what waits then', async () => {
        expect(await one.takeOnWake(short, 20, NEVER)).toEqual([]);
        const id = await submitOne({ model: 'm', notBefore: Date.now() + 300 });
        expect(await one.take(1)).toEqual([]);
        expect(ids(await one.takeOnWake(short, LONG_MS, NEVER))).toEqual([id]);
      });

      it('takes nothing more once its signal has fired', async () => {
        const stop = new AbortController();
        const taken = one.takeOnWake(short, LONG_MS, stop.signal);
        stop.abort();
        expect(await taken).toEqual([]);
        const id = await submitOne({ model: 'm' });
        expect(await one.takeOnWake(short, LONG_MS, stop.signal)).toEqual([]);
        expect(ids(await other.take(1))).toEqual([id]);
      });

      it('loses no job that arrives as its signal fires', async () => {
        for (let i = 0; i < 20; i++) {
          const stop = new AbortController();
          const taken = one.takeOnWake(short, LONG_MS, stop.signal);
          const submitted = submitOne({ model: 'm' });
          stop.abort();
          const id = await submitted;
          const ours = await taken;
          const theirs = await other.take(1);
          expect(ids([...ours, ...theirs])).toEqual([id]);
          const [holder, jobs] = ours.length > 0 ? [one, ours] : [other, theirs];
          await holder.settle(jobs.map((job) => completed(job)));
        }
      });

      it('ends when its consumer closes', async () => {
        const taken = one.takeOnWake(short, LONG_MS, NEVER);
        expect(await other.take(1)).toEqual([]);
        await one.close();
        expect(await taken).toEqual([]);
      });
    });

    describe('passOn', () => {
      it('wakes another worker for waiting jobs, and reports whether there are any', async () => {
        await one.passOn();
        expect(one.more).toBe(false);
        const id = await submitOne();
        await one.waitForWork(LONG_MS, NEVER);
        const woken = other.waitForWork(LONG_MS, NEVER);
        await one.passOn();
        expect(one.more).toBe(true);
        await woken;
        expect(ids(await other.take(1))).toEqual([id]);
      });

      it('happens automatically when a woken worker closes', async () => {
        await submitOne();
        await one.waitForWork(LONG_MS, NEVER);
        await one.close();
        await other.waitForWork(LONG_MS, NEVER);
        expect(await other.take(1)).toHaveLength(1);
      });
    });

    describe('housekeeping', () => {
      it('of a healthy queue changes nothing', async () => {
        const [waits, held] = (await queue.submit({ priority: 1 }, { priority: 9 })) as [string, string];
        await takeOne();
        await one.reroute();
        expect(await one.settleArrivals()).toBe(0);
        expect(await one.sweepInTurn()).toBe(0);
        expect(await one.damage()).toEqual({ queue: one.queue, keys: [], jobs: [], jobCount: 0 });
        expect([await state(waits), await state(held)]).toEqual(['waiting', 'active']);
      });
    });
  });
}
