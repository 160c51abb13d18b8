import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ErrorCode } from '../../../src/lib/core/error-table.js';
import type { OwnFailure } from '../../../src/lib/core/errors.js';
import { decodeEnvelope } from '../../../src/lib/model/envelope.js';
import type { Payload } from '../../../src/lib/model/tensor.js';
import type { PartialMeta, RunnableJob } from '../../../src/lib/queue/types.js';
import { HeldJob, HeldJobs } from '../../../src/lib/worker/held-jobs.js';

/** Rows of one float each. */
function floats(name: string, ...values: number[]): Payload {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { rows: values.length, tensors: [{ name, type: 'float32', shape: [], data }] };
}

function valuesOf({ rows, tensors }: Payload, at = 0): number[] {
  const bytes = Buffer.from(tensors[at]?.data ?? []);
  return Array.from({ length: rows }, (_, row) => bytes.readFloatLE(row * 4));
}

const taken = { spec: { id: 'j1', priority: 7 }, submittedAt: 123 } as unknown as RunnableJob;
/** A job of this many rows, numbered from 0. */
function held(rows: number, more: Partial<Payload> = {}): HeldJob {
  const payload = { ...floats('x', ...Array.from({ length: rows }, (_, row) => row)), ...more };
  return new HeldJob(taken, payload, 1, 5, 'key', 'm', () => 64);
}

const failure = (code: ErrorCode): OwnFailure => ({ code, message: `${code} it is` });
/** Fails rows `from` up to `to` in separate runs. */
const isolate = (job: HeldJob, from: number, to: number) => {
  for (let row = from; row < to; row++) job.failRow(row, failure('RUN_FAILED'), true);
};

describe('a held job', () => {
  it('is one unit of all its rows', () => {
    const job = held(4);
    expect(job).toMatchObject({
      rows: 4,
      remaining: 4,
      lane: 1,
      order: 5,
      key: 'key',
      session: 'm',
      cap: 64,
      ran: false,
      device: '',
      over: false,
      cancelled: false,
    });
    expect([job.id, job.priority, job.enqueuedAt, job.started]).toEqual(['j1', 7, 123, false]);
    job.startedAt = 0;
    expect(job.started).toBe(true);
    expect(valuesOf(job.rowsAt(1, 2))).toEqual([1, 2]);
  });

  it('is finished when every row has an output or an error', () => {
    const job = held(3);
    job.finish(1, floats('y', 10));
    expect([job.isOver, job.doneCount]).toEqual([false, 1]);
    job.failRow(0, failure('RUN_FAILED'));
    expect(job.isOver).toBe(false);
    job.finish(2, floats('y', 20));
    expect([job.isOver, job.doneCount]).toEqual([true, 2]);
  });

  it('has its outputs in row order, whatever the order of runs', () => {
    const job = held(5);
    job.finish(3, floats('y', 30, 40));
    job.finish(0, floats('y', 0));
    job.finish(1, floats('y', 10, 20));
    expect(valuesOf(job.outputs())).toEqual([0, 10, 20, 30, 40]);
  });

  it('reports the first row without an output, their number and codes', () => {
    const job = held(6);
    expect(job.firstError).toBeUndefined();
    job.failRow(4, failure('HANDLER_FAILED'));
    job.failRow(2, failure('RUN_FAILED'));
    expect(job.firstError).toEqual({
      row: 2,
      failure: failure('RUN_FAILED'),
      count: 2,
      codes: new Set(['RUN_FAILED', 'HANDLER_FAILED']),
    });
  });

  it('applies one failure to all rows that were not judged', () => {
    const job = held(5);
    job.finish(1, floats('y', 10, 20));
    job.failRow(4, failure('RUN_FAILED'));
    job.failRest(failure('RUNNER_DIED'));
    expect(job.isOver).toBe(true);
    expect(job.firstError).toMatchObject({ row: 0, count: 3, codes: new Set(['RUNNER_DIED', 'RUN_FAILED']) });
  });
});

describe('the stored part of a failed job', () => {
  it('is nothing while no row was judged', () => {
    expect(held(3).partial()).toBeUndefined();
  });

  it('contains the finished rows and the causes of the others, each once', () => {
    const job = held(6);
    job.finish(4, floats('y', 40));
    job.finish(1, floats('y', 10, 20));
    for (const row of [0, 3]) job.failRow(row, failure('RUN_FAILED'));
    job.failRow(5, failure('HANDLER_FAILED'));
    const { payload, meta } = decodeEnvelope(job.partial() as Uint8Array);
    expect(valuesOf(payload)).toEqual([10, 20, 40]);
    expect(meta as unknown as PartialMeta).toEqual({
      of: 6,
      done: [
        [1, 3],
        [4, 5],
      ],
      errors: { 0: 0, 3: 0, 5: 1 },
      causes: [failure('RUN_FAILED'), failure('HANDLER_FAILED')],
    });
  });

  it('is the finished rows where none has failed, as in a cancelled job', () => {
    const job = held(3);
    job.finish(1, floats('y', 10));
    const { payload, meta } = decodeEnvelope(job.partial() as Uint8Array);
    expect(valuesOf(payload)).toEqual([10]);
    expect(meta as unknown as PartialMeta).toEqual({ of: 3, done: [[1, 2]], errors: {}, causes: [] });
  });

  it('is only errors where no row is finished, and nothing where outputs do not match', () => {
    const failed = held(2);
    failed.failRow(0, failure('RUN_FAILED'));
    const { payload, meta } = decodeEnvelope(failed.partial() as Uint8Array);
    expect([payload.rows, payload.tensors, (meta as unknown as PartialMeta).done]).toEqual([0, [], []]);
    const mixed = held(2);
    mixed.finish(0, floats('y', 1));
    mixed.finish(1, floats('z', 1));
    expect(mixed.partial()).toBeUndefined();
  });
});

describe('a job with many bad rows', () => {
  it('runs row by row once one in six of eight judged rows has failed alone', () => {
    const job = held(60);
    job.finish(2, floats('y', 1, 2, 3, 4, 5));
    isolate(job, 0, 2);
    expect([job.isMostlyBad, job.cap]).toEqual([false, 64]);
    job.finish(7, floats('y', 6));
    expect([job.isMostlyBad, job.cap]).toEqual([true, 1]);
    job.finish(8, floats('y', 1, 2, 3, 4));
    expect(job.isMostlyBad).toBe(true);
    job.finish(12, floats('y', 1));
    expect(job.isMostlyBad).toBe(false);
  });

  it('does not include rows that failed in a run of several', () => {
    const job = held(20);
    for (let row = 0; row < 12; row++) job.failRow(row, failure('HANDLER_FAILED'));
    expect(job.isMostlyBad).toBe(false);
  });
});

describe('a job whose rows crash the runner', () => {
  it('has a second attempt for a row, and for three rows at most', () => {
    const job = held(10);
    expect([0, 0, 1, 2, 3, 1].map((row) => job.mayTryAgain(row))).toEqual([
      true,
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it('stops after 24 crashes without a finished row, after 64 in all', () => {
    const count = (job: HeldJob) => {
      let crashes = 1;
      while (!job.crashed()) crashes += 1;
      return crashes;
    };
    expect(count(held(100))).toBe(24);
    const some = held(100);
    some.finish(0, floats('y', 1));
    expect(count(some)).toBe(64);
  });
});

describe('held jobs', () => {
  afterEach(() => vi.useRealTimers());

  it('know since when there have been any', () => {
    vi.useFakeTimers({ toFake: ['performance'], now: 1000 });
    vi.advanceTimersByTime(500);
    const jobs = new HeldJobs();
    const [a, b] = [{ ...taken }, { ...taken }];
    const busyAfter = (ms: number) => {
      vi.advanceTimersByTime(ms);
      return jobs.busyMs;
    };
    expect(jobs.delete(a)).toBe(false);
    expect(busyAfter(20)).toBe(0);
    jobs.set(a, held(1));
    expect(busyAfter(20)).toBe(20);
    jobs.set(b, held(1));
    expect(jobs.delete(a)).toBe(true);
    expect(jobs.delete(a)).toBe(false);
    expect(busyAfter(20)).toBe(40);
    jobs.delete(b);
    expect(busyAfter(50)).toBe(40);
    expect(jobs.delete(b)).toBe(false);
    jobs.set(b, held(1));
    expect(busyAfter(20)).toBe(60);
    jobs.delete(b);
    expect(busyAfter(20)).toBe(60);
  });
});
