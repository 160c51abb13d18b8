import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import type { WarmUp } from '../../../src/lib/model/runner.js';
import type { Payload } from '../../../src/lib/model/tensor.js';
import { BatchSizes } from '../../../src/lib/worker/batch-sizes.js';
import type { HeldJob } from '../../../src/lib/worker/held-jobs.js';
import { limitsOf, timeLimit } from '../../../src/lib/worker/limits.js';
import { RunClock } from '../../../src/lib/worker/run-clock.js';
import { checkRows, goodRows, isOwnFailure, rowsWith } from '../../../src/lib/worker/run-rows.js';
import type { RunnerSlot } from '../../../src/lib/worker/runner-slot.js';

const job = (name: string) => name as unknown as HeldJob;
const error = (code: string) => InferError.of({ code, message: code });

describe('rows of a run', () => {
  it("that failed with a code are located within a job's part", () => {
    const errors = new Map([
      [1, error('A')],
      [2, error('B')],
      [3, error('A')],
      [9, error('A')],
    ]);
    expect(rowsWith(errors, 'A', 0, 4)).toEqual([1, 3]);
    expect(rowsWith(errors, 'A', 2, 8)).toEqual([3, 9]);
    expect(rowsWith(errors, 'B', 3, 5)).toEqual([]);
    expect(rowsWith(new Map(), 'A', 0, 4)).toEqual([]);
  });

  it('that succeeded form ranges of their jobs', () => {
    const parts = [
      { unit: job('a'), from: 4, rows: 3 },
      { unit: job('b'), from: 0, rows: 2 },
      { unit: job('b'), from: 7, rows: 1 },
    ];
    expect(goodRows(parts, new Set())).toEqual(parts);
    expect(goodRows(parts, new Set([1]))).toEqual([
      { unit: 'a', from: 4, rows: 1 },
      { unit: 'a', from: 6, rows: 1 },
      { unit: 'b', from: 0, rows: 2 },
      { unit: 'b', from: 7, rows: 1 },
    ]);
    expect(goodRows(parts, new Set([0, 2, 3, 5]))).toEqual([
      { unit: 'a', from: 5, rows: 1 },
      { unit: 'b', from: 1, rows: 1 },
    ]);
    expect(goodRows(parts, new Set([0, 1, 2, 3, 4, 5]))).toEqual([]);
  });

  it('must equal in number those submitted, failed ones included', () => {
    const batch = { parts: [], rows: 3, reason: 'idle' as const };
    const reply = (rows: number, failed: number) => ({
      outputs: { rows, tensors: [] },
      failed: Array.from({ length: failed }, (_, row) => ({ row, error: error('A') })),
      runMs: 1,
    });
    expect(() => checkRows(reply(3, 0), batch)).not.toThrow();
    expect(() => checkRows(reply(1, 2), batch)).not.toThrow();
    expect(() => checkRows(reply(3, 1), batch)).toThrow(
      expect.objectContaining({
        code: 'OUTPUT_ROWS',
        message: 'the model answered 4 rows to 3',
        hint: expect.stringContaining('"batchable": false'),
      }),
    );
  });

  it.each([
    ['RUNNER_DIED', false],
    ['DEVICE_ERROR', false],
    ['TIME_LIMIT', false],
    ['SOFT_TIME_LIMIT', false],
    ['RUN_ABORTED', false],
    ['MODEL_REPLACED', false],
    // Another runner may have the model, and the job has not run.
    ['MODEL_CHANGED', false],
    ['MODEL_UNSERVED', false],
    ['A_CODE_OF_ANOTHER_RELEASE', true],
    ['ROWS_MIXED', false],
    ['RUN_FAILED', true],
    ['HANDLER_FAILED', true],
  ])('that failed with %s are at fault themselves: %s', (code, own) => {
    expect(isOwnFailure(error(code))).toBe(own);
    expect(isOwnFailure(Object.assign(new Error(code), { code }))).toBe(true);
  });
});

describe('run time limits', () => {
  it.each([
    [undefined, undefined, undefined],
    [100, undefined, 100],
    [undefined, 200, 200],
    [100, 200, 100],
    [300, 200, 200],
  ])('of a job %s and a worker %s are the lower: %s', (own, worker, least) => {
    expect(limitsOf({ timeLimitMs: own }, { timeLimitMs: worker })).toEqual({
      hardMs: least,
      softMs: undefined,
    });
    expect(limitsOf({ softTimeLimitMs: own }, { softTimeLimitMs: worker })).toEqual({
      hardMs: undefined,
      softMs: least,
    });
  });

  it('are named in the error', () => {
    expect(timeLimit(1500)).toMatchObject({
      code: 'TIME_LIMIT',
      message: 'it ran longer than its time limit of 1.5 s',
      hint: expect.stringContaining('--time-limit'),
    });
  });
});

describe('the rows of one run', () => {
  const rowsOf = (rows: number, bytes: number): Payload => ({
    rows,
    tensors: [
      { name: 'x', type: 'uint8', shape: [bytes], data: new Uint8Array(rows * bytes) },
      { name: 's', type: 'uint8', shape: [], data: new Uint8Array(0) },
    ],
  });
  /** Like the warm-up of a quick model: its runs start with eight rows. */
  const QUICK: WarmUp = {
    rowBytes: 4,
    times: [
      [1, 0.1],
      [2, 0.1],
      [4, 0.1],
    ],
  };
  const ROW = rowsOf(1, 4);
  const grow = (sizes: BatchSizes, session: string, runs: number) => {
    for (let i = 0; i < runs; i++) sizes.record(session, ROW, sizes.of(session), 0.01, 1);
  };

  it('are as many as the user sets, but no more than the model takes', () => {
    const sizes = new BatchSizes(100, 20);
    sizes.add('plain', { batchable: true }, QUICK);
    sizes.add('bounded', { batchable: true, maxBatch: 32 }, QUICK);
    sizes.add('single', { batchable: false });
    expect(['plain', 'bounded', 'single', 'unknown'].map((one) => sizes.of(one))).toEqual([100, 32, 1, 1]);
    expect(sizes.largest).toBe(100);
    sizes.limitTo(16);
    expect(['plain', 'bounded'].map((one) => sizes.of(one))).toEqual([16, 16]);
    for (let run = 0; run < 30; run++) sizes.record('plain', ROW, 8, 0.01, 1);
    sizes.limitTo(null);
    // Nothing was learned while the size was fixed.
    expect(sizes.of('plain')).toBe(8);
  });

  it('are learned from runs otherwise, up to a bound', () => {
    const sizes = new BatchSizes(null, 20);
    sizes.add('plain', { batchable: true }, QUICK);
    sizes.add('bounded', { batchable: true, maxBatch: 32 }, QUICK);
    sizes.add('single', { batchable: false });
    expect(sizes.of('plain')).toBe(8);
    for (const session of ['plain', 'bounded', 'single']) grow(sizes, session, 60);
    expect(['plain', 'bounded', 'single'].map((one) => sizes.of(one))).toEqual([1024, 32, 1]);
    expect(sizes.largest).toBe(1024);
    sizes.remove('plain');
    expect([sizes.of('plain'), sizes.largest]).toEqual([1, 32]);
    expect(new BatchSizes(null, 20).largest).toBe(1);
  });

  it('are limited to one where rows were seen to affect each other; the first proof is kept', () => {
    const sizes = new BatchSizes(64, 20);
    sizes.add('m', { batchable: true });
    expect(sizes.mixedBy('m')).toBeUndefined();
    expect([sizes.stopBatching('m', 'first'), sizes.stopBatching('m', 'second')]).toEqual([true, false]);
    expect([sizes.of('m'), sizes.mixedBy('m')]).toEqual([1, 'first']);
    sizes.limitTo(null);
    grow(sizes, 'm', 30);
    expect(sizes.of('m')).toBe(1);
    sizes.remove('m');
    sizes.add('m', { batchable: true }, QUICK);
    expect([sizes.mixedBy('m'), sizes.of('m')]).toEqual([undefined, 8]);
  });

  it('have a recent mean run time, for loaded models', () => {
    const sizes = new BatchSizes(null, 20);
    sizes.add('m', { batchable: false });
    expect(sizes.runMs('m')).toBeUndefined();
    sizes.record('m', ROW, 1, 100, undefined);
    expect(sizes.runMs('m')).toBe(100);
    sizes.record('m', ROW, 1, 50, undefined);
    expect(sizes.runMs('m')).toBeCloseTo(85);
    sizes.remove('m');
    // The last run of a model may end after it was unloaded.
    sizes.record('m', ROW, 1, 100, undefined);
    expect(sizes.runMs('m')).toBeUndefined();
  });

  it('start from the times of the warm-up, and one by one without them', () => {
    const sizes = new BatchSizes(null, 20);
    const start = (...times: [number, number][]) => {
      sizes.add('m', { batchable: true }, { rowBytes: 4, times });
      return [sizes.of('m'), sizes.capFor('m', ROW)()];
    };
    sizes.add('m', { batchable: true });
    expect([sizes.of('m'), sizes.capFor('m', ROW)()]).toEqual([1, 1]);
    expect(start([1, 0.1], [2, 0.1], [4, 0.1])).toEqual([8, 8]);
    expect(start([1, 19], [2, 38], [4, 76])).toEqual([1, 1]);
    expect(start([1, 60])).toEqual([1, 1]);
  });

  it('are learned for each shape, which starts from the warm-up times in proportion to its bytes', () => {
    const sizes = new BatchSizes(null, 20);
    sizes.add(
      'm',
      { batchable: true },
      {
        rowBytes: 4,
        times: [
          [1, 2],
          [2, 4],
          [4, 8],
        ],
      },
    );
    const [narrow, wide] = [sizes.capFor('m', ROW), sizes.capFor('m', rowsOf(1, 64))];
    expect([narrow(), wide()]).toEqual([4, 1]);
    for (let run = 0; run < 3; run++) sizes.record('m', ROW, 4, 5, undefined);
    expect([narrow(), wide(), sizes.of('m')]).toEqual([8, 1, 8]);
    for (let run = 0; run < 3; run++) sizes.record('m', rowsOf(1, 64), 1, 9, undefined);
    expect([narrow(), wide(), sizes.of('m')]).toEqual([8, 2, 2]);
    expect(sizes.measured('m')).toEqual([[1, 9]]);
  });

  it('are kept for a bounded number of shapes', () => {
    const sizes = new BatchSizes(null, 20);
    sizes.add('m', { batchable: true }, QUICK);
    const cap = sizes.capFor('m', ROW);
    for (let run = 0; run < 3; run++) sizes.record('m', ROW, 8, 0.1, undefined);
    expect(cap()).toBe(16);
    for (let bytes = 5; bytes < 40; bytes++) sizes.record('m', rowsOf(1, bytes), 1, 1, undefined);
    expect(cap()).toBe(8);
  });

  it('hold at most 16 MB of input together, and always one row', () => {
    const sizes = new BatchSizes(1000, 20);
    sizes.add('m', { batchable: true });
    expect(sizes.capFor('m', rowsOf(2, 1024 ** 2))()).toBe(16);
    expect(sizes.capFor('m', rowsOf(1, 20 * 1024 ** 2))()).toBe(1);
    expect(sizes.capFor('m', rowsOf(4, 0))()).toBe(1000);
    const cap = sizes.capFor('m', rowsOf(1, 8));
    sizes.limitTo(3);
    expect(cap()).toBe(3);
  });
});

describe('the run clock', () => {
  const [one, two] = ['one', 'two'] as unknown as [RunnerSlot, RunnerSlot];
  const clockAt = () => {
    const time = { now: 1000 };
    return { time, clock: new RunClock({ now: () => time.now }) };
  };

  it('knows the recent mean, and counts a longer current run in full', () => {
    const { time, clock } = clockAt();
    expect(clock.runMs).toBe(0);
    const ran = (ms: number) => {
      clock.begin(one, 'm');
      time.now += ms;
      clock.end(one);
    };
    ran(100);
    expect(clock.runMs).toBe(100);
    ran(50);
    expect(clock.runMs).toBe(90);
    clock.begin(one, 'm');
    time.now += 80;
    expect(clock.runMs).toBe(90);
    time.now += 20;
    expect(clock.runMs).toBe(100);
    clock.end(two);
    clock.end(one);
    clock.end(one);
    expect(clock.runMs).toBe(92);
  });

  it('knows which runners are busy, and the peak since it was last read', () => {
    const { clock } = clockAt();
    expect(clock.takePeak()).toBe(0);
    clock.begin(one, 'm');
    clock.begin(two, 'm');
    clock.end(two);
    // Between two runs of a backlog it counts as busy.
    expect([clock.isAtWork(one), clock.isAtWork(two)]).toEqual([true, true]);
    clock.rest(two);
    expect(clock.isAtWork(two)).toBe(false);
    expect([clock.takePeak(), clock.takePeak()]).toEqual([2, 1]);
    clock.rest(one);
    expect([clock.takePeak(), clock.takePeak()]).toEqual([1, 0]);
  });
});
