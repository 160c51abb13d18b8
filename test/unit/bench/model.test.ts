import { describe, expect, it } from 'vitest';
import { adviseBatch } from '../../../src/lib/bench/advice.js';
import { doublings, median } from '../../../src/lib/bench/model-times.js';
import { openInputs, parseShapes } from '../../../src/lib/bench/row-shapes.js';
import { chunksOf, poolOf, randomRows } from '../../../src/lib/bench/rows.js';
import { seededRandom } from '../../../src/lib/core/random.js';
import type { ModelSignature, TensorSignature } from '../../../src/lib/model/signature.js';
import { decodeStrings, type RowTensor } from '../../../src/lib/model/tensor.js';

const times = (...pairs: [batch: number, runMs: number][]) =>
  pairs.map(([batch, runMs]) => ({ batch, runMs }));

describe('the recommended batch size', () => {
  it.each([
    ['goes up while it pays', times([1, 1], [2, 1], [4, 1.2], [8, 4]), 4, 'pays-no-more'],
    ['is 1 for a model that gains nothing', times([1, 100], [2, 200], [4, 400]), 1, 'too-slow'],
    ['stays within the target', times([1, 5], [2, 8], [4, 15], [8, 21]), 4, 'too-slow'],
    ['may be the largest there is', times([1, 1], [2, 1], [4, 1]), 4, 'largest-measured'],
    ['is the one there is', times([16, 500]), 16, 'largest-measured'],
    ['does not mind the order', times([4, 1.2], [1, 1], [8, 4], [2, 1]), 4, 'pays-no-more'],
  ] as const)('%s', (_, measured, maxBatch, because) => {
    expect(adviseBatch(measured, 20)).toEqual({ maxBatch, because });
  });

  it('is undefined without a measurement', () => {
    expect(adviseBatch([], 20)).toBeUndefined();
  });

  it('accounts for the overhead that larger batches save outside the run', () => {
    // 0.05 ms a row without a gain by the model itself: still worth it up to 16 rows or so.
    const linear = doublings(64).map((batch) => ({ batch, runMs: batch * 0.05 }));
    expect(adviseBatch(linear, 20)?.maxBatch).toBeGreaterThan(8);
  });
});

it('doublings go up to the maximum and include it', () => {
  expect(doublings(1)).toEqual([1]);
  expect(doublings(8)).toEqual([1, 2, 4, 8]);
  expect(doublings(6)).toEqual([1, 2, 4, 6]);
});

it('median is the middle value, or the mean of the middle two', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
});

function signatureOf(...inputs: Partial<TensorSignature>[]): ModelSignature {
  const full = inputs.map((input, at) => ({
    name: `x${at}`,
    type: 'float32' as const,
    shape: [2],
    shared: false,
    batchAxis: 0,
    modelShape: ['n', 2],
    ...input,
  }));
  return {
    name: 'm',
    version: 1,
    task: 'tensor',
    batchable: true,
    inputs: full,
    outputs: [],
    sizeBytes: 1,
    digest: 'd',
    warnings: [],
  };
}

describe('random rows', () => {
  it('have the types and shapes of the model, and are the same for a seed', () => {
    const signature = signatureOf(
      { type: 'float32', shape: [3, null] },
      { type: 'int64', shape: [] },
      { type: 'uint8', shape: [4] },
      { type: 'bool', shape: [2] },
      { type: 'string', shape: [1] },
      { type: 'float64', shape: [1], shared: true },
    );
    const payload = randomRows(signature, seededRandom(5), { rows: 10 });
    expect(payload).toEqual(randomRows(signature, seededRandom(5), { rows: 10 }));
    const [floats, wides, bytes, bools, words, shared] = payload.tensors as RowTensor[];
    expect(floats?.shape).toEqual([3, 8]);
    expect(floats?.data.byteLength).toBe(10 * 3 * 8 * 4);
    const values = new Float32Array((floats as RowTensor).data.slice().buffer);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(wides?.data.byteLength).toBe(80);
    expect(bytes?.data.every((value) => value < 100)).toBe(true);
    expect(bools?.data.every((value) => value <= 1)).toBe(true);
    expect(decodeStrings((words as RowTensor).data)).toHaveLength(10);
    expect(shared).toMatchObject({ shared: true });
    expect(shared?.data.byteLength).toBe(8);
  });

  it('have the requested shape, else one that ran in the trial at load', () => {
    const signature = {
      ...signatureOf({ name: 'image', shape: [3, null, null] }, { name: 'b', shape: [2] }),
      trialShapes: { image: [3, 32, 32] },
    };
    const shapeOf = (...given: string[]) =>
      randomRows(signature, seededRandom(1), { shapes: parseShapes(given, signature) }).tensors.map(
        ({ shape }) => shape,
      );
    expect(shapeOf()).toEqual([[3, 32, 32], [2]]);
    expect(shapeOf('image=3x48x320')).toEqual([[3, 48, 320], [2]]);
    expect(openInputs(signature)).toEqual(['image']);
    for (const wrong of [
      'img=3x4x4',
      'image=4x4x4',
      'image=3x4',
      'image=3x0x4',
      'image=3,4,4',
      'image',
      'b=3',
    ])
      expect(() => shapeOf(wrong)).toThrow(expect.objectContaining({ code: 'BENCH_SHAPE', exitCode: 2 }));
  });

  it('are few when they are large', () => {
    expect(randomRows(signatureOf({ shape: [3, 224, 224] }), seededRandom(1)).rows).toBe(1);
    expect(randomRows(signatureOf({}), seededRandom(1)).rows).toBe(256);
  });

  it('are refused for a model that takes JSON', () => {
    const signature = signatureOf({ name: 'json', role: 'json', type: 'string', shape: [] });
    expect(() => randomRows(signature, seededRandom(1))).toThrow(
      expect.objectContaining({ code: 'BENCH_DATA', exitCode: 2 }),
    );
  });

  it('repeat in chunks up to the exact number', () => {
    const pool = poolOf('test', [randomRows(signatureOf({}), seededRandom(1), { rows: 7 })]);
    expect(pool.singles).toHaveLength(7);
    expect([...chunksOf(pool, 17)].map((chunk) => chunk.rows)).toEqual([7, 7, 3]);
  });
});
