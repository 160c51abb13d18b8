import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../../../src/lib/model/layout.js';
import { RowCheck } from '../../../src/lib/model/row-check.js';
import type { Payload } from '../../../src/lib/model/tensor.js';

/** Rows of one float each. */
function payload(...values: number[]): Payload {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { rows: values.length, tensors: [{ name: 'x', type: 'float32', shape: [], data }] };
}

function valuesOf({ rows, tensors }: Payload): number[] {
  const view = Buffer.from(tensors[0]?.data ?? []);
  return Array.from({ length: rows }, (_, row) => view.readFloatLE(row * 4));
}

const outputs = (values: number[], type: 'float32' | 'int32' = 'float32'): Record<string, HostTensor> => ({
  y: {
    type,
    dims: [values.length],
    data: type === 'int32' ? Int32Array.from(values) : Float32Array.from(values),
  },
});

const AXES = new Map([['y', 0]]);

/** A check of a model given as a function of all rows; each of its runs takes `costMs`. */
function checkOf(model: (xs: number[]) => Record<string, HostTensor>, costMs = 1, random = () => 0.5) {
  let now = 0;
  const runs: number[][] = [];
  const run = async (some: Payload) => {
    now += costMs;
    runs.push(valuesOf(some));
    return model(valuesOf(some));
  };
  const check = new RowCheck(AXES, run, random, () => now);
  /** A run in service that took `ms`. */
  const ran = (ms: number, ...xs: number[]) => check.after(payload(...xs), model(xs), ms);
  /** The same where its jobs have `leftMs` left. */
  const ranWith = (leftMs: number, ms: number, ...xs: number[]) =>
    check.after(payload(...xs), model(xs), ms, leftMs);
  return { check, runs, ran, ranWith };
}

const sum = (xs: number[]) => xs.reduce((a, b) => a + b, 0);

describe('repeating one row of a run alone', () => {
  it('reports nothing when the row is unchanged, and runs only that row', async () => {
    const { runs, ran } = checkOf((xs) => outputs(xs.map((x) => 2 * x)));
    await ran(1, 1, 2, 3);
    expect(runs).toEqual([[2]]);
  });

  it('reports ROWS_MIXED with the figures when the row depends on its neighbours', async () => {
    const { runs, ran } = checkOf((xs) => outputs(xs.map((x) => x - sum(xs) / xs.length)));
    await expect(ran(1, 1, 2, 6)).rejects.toMatchObject({
      code: 'ROWS_MIXED',
      message: expect.stringMatching(/^output y of a row changes .* \(0\.05 % is tolerated\)$/),
      hint: expect.stringContaining('"batchable": false'),
    });
    // Alone, alone again, and among copies of itself.
    expect(runs).toEqual([[2], [2], [2, 2, 2]]);
  });

  it.each<[string, (xs: number[]) => Record<string, HostTensor>]>([
    ['rounding by the number of rows', (xs) => outputs(xs.map((x) => x * (1 + 6e-4 * (xs.length - 1))))],
    [
      'a near tie',
      (xs) =>
        outputs(
          xs.map(() => (xs.length > 1 ? 1 : 0)),
          'int32',
        ),
    ],
  ])('takes %s as no proof', async (_, model) => {
    const { runs, ran } = checkOf(model);
    await expect(ran(1, 1, 2, 3)).resolves.toBeUndefined();
    expect(runs[0]).toEqual([2]);
  });

  it('proves nothing for a nondeterministic model, which is not checked again', async () => {
    let calls = 0;
    const { runs, ran } = checkOf((xs) => outputs(xs.map((x) => x + ++calls)));
    await ran(1, 1, 2, 3);
    expect(runs).toHaveLength(2);
    await ran(1e9, 1, 2, 3);
    expect(runs).toHaveLength(2);
  });

  it('proves nothing when the row fails alone', async () => {
    let asked = 0;
    const check = new RowCheck(AXES, () => {
      asked += 1;
      return Promise.reject(new Error('no'));
    });
    await expect(check.after(payload(1, 2), outputs([1, 2]), 1)).resolves.toBeUndefined();
    expect(asked).toBe(1);
  });

  it('selects any row of the run', async () => {
    for (const [random, x] of [
      [0, 1],
      [0.999_999, 3],
    ] as const) {
      const { runs, ran } = checkOf(
        (xs) => outputs(xs),
        1,
        () => random,
      );
      await ran(1, 1, 2, 3);
      expect(runs).toEqual([[x]]);
    }
  });
});

describe('a run whose outputs are larger than all before', () => {
  /** Rows shift one another, but only if one of them is above 1000. */
  const shifting = (xs: number[]) => outputs(xs.map((x) => x + Math.max(0, Math.max(...xs) - 1000)));

  it('is checked even if no check is due, which detects rows that depend on one another', async () => {
    const { runs, ran } = checkOf(shifting);
    for (let i = 0; i < 100; i++) await ran(1, 1, 2, 3);
    expect(runs).toHaveLength(1);
    await expect(ran(1, 1, 2, 3000)).rejects.toMatchObject({ code: 'ROWS_MIXED' });
  });

  it('is checked again when the checked row was the large one itself', async () => {
    let random = 0.999;
    const { ran } = checkOf(shifting, 1, () => random);
    await ran(1, 1, 2, 3);
    await ran(1, 1, 2, 3000);
    random = 0;
    await expect(ran(1, 1, 2, 3000)).rejects.toMatchObject({ code: 'ROWS_MIXED' });
  });

  it('is checked at most three times for each power of two', async () => {
    const { runs, ran } = checkOf((xs) => outputs(xs));
    await ran(1, 0.1, 0.2);
    for (const large of [0.9, 1]) for (let i = 0; i < 5; i++) await ran(1, 0, large);
    expect(runs).toHaveLength(1);
    for (const large of [1.5, -2, 1.9, 2, 2]) await ran(1, 0, large);
    expect(runs).toHaveLength(4);
    // Three checks at 2^20 cover everything below.
    for (let i = 0; i < 5; i++) await ran(1, 0, 2 ** 20);
    for (let i = 0; i < 5; i++) await ran(1, 0, 2 ** 10);
    expect(runs).toHaveLength(7);
    for (let i = 0; i < 5; i++) await ran(1, 0, Number.POSITIVE_INFINITY);
    expect(runs).toHaveLength(10);
    for (let i = 0; i < 5; i++) await ran(1, 0, Number.NaN);
    expect(runs).toHaveLength(10);
  });

  it('is checked within a hundredth of the run time where runs are long', async () => {
    const { runs, ran } = checkOf((xs) => outputs(xs), 100);
    for (let i = 0; i < 1000; i++) await ran(100, 0, 1);
    expect(runs).toHaveLength(1);
    await ran(100, 0, 2 ** 10);
    await ran(100, 0, 2 ** 20);
    // 100 s of runs: one second for checks.
    expect(runs).toHaveLength(3);
    for (let i = 0; i < 50; i++) await ran(100, 0, 2 ** (21 + i));
    expect(runs).toHaveLength(10);
  });

  it.each([
    ['float16', Uint16Array, 0x3c00, 0x6400],
    ['uint8', Uint8Array, 1, 200],
  ] as const)('is recognised in outputs of %s', async (type, array, small, large) => {
    let value: number = small;
    const { runs, ran } = checkOf((xs) => ({
      y: { type, dims: [xs.length], data: new array(xs.length).fill(value) },
    }));
    await ran(1, 1, 2);
    await ran(1, 1, 2);
    expect(runs).toHaveLength(1);
    value = large;
    await ran(1, 1, 2);
    expect(runs).toHaveLength(2);
  });
});

describe('the cost of repeating rows', () => {
  it('is zero for single rows', async () => {
    const { runs, ran } = checkOf((xs) => outputs(xs));
    await ran(1e9, 1);
    expect(runs).toEqual([]);
  });

  it('is at most a thousandth of the run time after the first', async () => {
    const costMs = 0.5;
    const { check, runs, ran } = checkOf((xs) => outputs(xs), costMs);
    let ranMs = 0;
    for (let i = 0; i < 4000; i++) {
      await ran(2, 1, 2);
      ranMs += 2;
      expect((runs.length - 1) * costMs).toBeLessThanOrEqual(ranMs / 1000);
    }
    // 8 s of runs are 8 ms of checks.
    expect(runs.length).toBe(16);
    expect(check.takeMs()).toBeCloseTo(runs.length * costMs, 6);
    expect(check.takeMs()).toBe(0);
  });

  it('never makes a job exceed its time limit', async () => {
    const { runs, ran, ranWith } = checkOf((xs) => outputs(xs), 40);
    // Three runs of 10 ms might be needed.
    await ranWith(29, 10, 1, 2);
    expect(runs).toEqual([]);
    await ranWith(30, 10, 1, 2);
    expect(runs).toHaveLength(1);
    // A check took 40 ms.
    for (let i = 0; i < 10_000; i++) await ranWith(39, 10, 1, 2);
    expect(runs).toHaveLength(1);
    await ran(10, 1, 2);
    expect(runs).toHaveLength(2);
  });

  it('accumulates from the start where one run is long', async () => {
    const { runs, ran } = checkOf((xs) => outputs(xs), 100);
    for (let i = 0; i < 999; i++) await ran(100, 1, 2);
    expect(runs).toEqual([]);
    await ran(100, 1, 2);
    expect(runs).toHaveLength(1);
  });
});
