import { describe, expect, it } from 'vitest';
import {
  areProbabilities,
  classify,
  classOutputs,
  planScores,
} from '../../../src/lib/model/classification.js';
import { toBytes } from '../../../src/lib/model/layout.js';
import type { ModelManifest } from '../../../src/lib/model/manifest.js';
import { rowValues } from '../../../src/lib/model/rows.js';
import type { TensorSignature } from '../../../src/lib/model/signature.js';
import { elementCount } from '../../../src/lib/model/tensor.js';

const output = (shape: (number | null)[], more: Partial<TensorSignature> = {}): TensorSignature => ({
  name: 's',
  type: 'float32',
  shape,
  shared: false,
  batchAxis: 0,
  modelShape: [],
  ...more,
});

const plan = (manifest: ModelManifest, signature: TensorSignature) =>
  planScores(manifest, signature, 'm/model.json');

/** Rows of scores as they are shown, and the failed rows. */
function classes(manifest: ModelManifest, signature: TensorSignature, rows: number[][], shape?: number[]) {
  const own = shape ?? (signature.shape as number[]);
  expect(rows.every((row) => row.length === elementCount(own))).toBe(true);
  const data = toBytes(Float32Array.from(rows.flat()));
  const raw = { rows: rows.length, tensors: [{ name: 's', type: 'float32' as const, shape: own, data }] };
  const { outputs, failed } = classify(raw, plan(manifest, signature));
  return { values: rowValues(outputs, 'json'), failed: failed.map(({ row, error }) => [row, error.message]) };
}

describe('classification over one axis', () => {
  it('applies a softmax to logits without overflow', () => {
    const { values } = classes({}, output([3]), [
      [1000, 999, -1000],
      [Number.POSITIVE_INFINITY, 0, 0],
    ]);
    expect(values).toEqual([
      { class: 0, confidence: 0.7310586 },
      { class: 0, confidence: 1 },
    ]);
  });

  it('uses probabilities unchanged, and fails values that are none', () => {
    const manifest = { scores: 'probabilities', labels: ['a', 'b'] } as const;
    const { values, failed } = classes({ ...manifest, labels: [...manifest.labels] }, output([2]), [
      [0.25, 0.75],
      [1.0005, 0],
      [3.2, 0],
      [Number.NaN, 0],
    ]);
    expect(values).toEqual([
      { class: 1, confidence: 0.75, label: 'b' },
      { class: 0, confidence: 1, label: 'a' },
    ]);
    expect(failed).toEqual([
      [2, 'output s holds 3.2, which is not a probability'],
      [3, 'output s holds NaN'],
    ]);
  });
});

describe('classification with a single score', () => {
  it.each([[[1]], [[]], [[1, 1]]])('chooses between two classes for a row of shape %j', (shape) => {
    const signature = output(shape, shape.length === 2 ? { batchAxis: null } : {});
    const labels = ['no', 'yes'];
    expect(classes({ scores: 'probabilities', labels }, signature, [[0.9], [0.25], [0.5]]).values).toEqual([
      { class: 1, confidence: 0.9, label: 'yes' },
      { class: 0, confidence: 0.75, label: 'no' },
      { class: 0, confidence: 0.5, label: 'no' },
    ]);
    expect(classes({ scores: 'logits' }, signature, [[2], [-2], [-1000]]).values).toEqual([
      { class: 1, confidence: 0.8807971 },
      { class: 0, confidence: 0.8807971 },
      { class: 0, confidence: 1 },
    ]);
  });

  it('is refused at load where nothing says what the score is', () => {
    expect(() => plan({}, output([1]))).toThrow(
      'say whether it is "probabilities" (after a sigmoid) or "logits"',
    );
    expect(() => plan({ scores: 'logits', labels: ['yes'] }, output([1]))).toThrow('name both');
    expect(() => classes({}, output([null]), [[0.5]], [1])).toThrow('does not say of what kind');
  });
});

describe('classification over several axes', () => {
  it('uses the last of two: a class for every token', () => {
    const signature = output([null, 3]);
    const scores = [
      [1, 5, 0, 0, 0, 9],
      [7, 0, 0, 0, 7, 0],
    ];
    const { values } = classes({ labels: ['O', 'PER', 'LOC'] }, signature, scores, [2, 3]);
    expect(values).toMatchObject([
      { class: [1, 2], label: ['PER', 'LOC'] },
      { class: [0, 1], label: ['O', 'PER'] },
    ]);
    expect(classOutputs(plan({}, signature), signature).map(({ name, shape }) => [name, shape])).toEqual([
      ['class', [null]],
      ['confidence', [null]],
    ]);
  });

  it('uses the one as long as the labels', () => {
    const channelsFirst = [1, 0, 5, 0, 9, 0, 0, 8];
    expect(classes({ labels: ['a', 'b'] }, output([2, null]), [channelsFirst], [2, 4]).values).toMatchObject([
      { class: [1, 0, 0, 1] },
    ]);
    expect(classes({ labels: ['a', 'b'] }, output([2, 1, 4]), [channelsFirst]).values).toMatchObject([
      { class: [[1, 0, 0, 1]] },
    ]);
  });

  it('uses the one that model.json names', () => {
    const image = [1, 0, 5, 0, 9, 0, 0, 8];
    expect(classes({ classAxis: 0 }, output([2, 2, 2]), [image]).values).toMatchObject([
      {
        class: [
          [1, 0],
          [0, 1],
        ],
      },
    ]);
    expect(classes({ classAxis: 2 }, output([2, 2, 2]), [image]).values).toMatchObject([
      {
        class: [
          [0, 0],
          [0, 1],
        ],
      },
    ]);
    expect(() => plan({ classAxis: 3 }, output([2, 2, 2]))).toThrow('no axis 3');
  });

  it('is refused at load where the class axis is ambiguous', () => {
    expect(() => plan({}, output([21, 520, 520]))).toThrow('say which axis the classes run along');
    expect(() => plan({ labels: ['a', 'b'] }, output([2, 2, 2]))).toThrow('say which axis');
    expect(() => plan({}, output([3], { shared: true }))).toThrow('the same for every row');
  });

  it('ignores the batch axis of a model that runs one row at a time', () => {
    const fixed = output([1, 3], { batchAxis: null, modelShape: [1, 3] });
    expect(classes({}, fixed, [[0, 9, 0]]).values).toMatchObject([{ class: 1 }]);
    // Whatever the inputs call it.
    for (const name of ['batch', 'N', 'bs', 'bsz', 'dynamic_batch']) {
      const named = output([null, 3], { batchAxis: null, modelShape: [name, 3] });
      expect(classes({}, named, [[0, 9, 0]], [1, 3]).values).toMatchObject([{ class: 1 }]);
    }
    const tokens = output([1, null, 3], { batchAxis: null, modelShape: [1, 'seq', 3] });
    expect(classes({}, tokens, [[0, 9, 0, 0, 0, 9]], [1, 2, 3]).values).toMatchObject([{ class: [1, 2] }]);
  });
});

it('labels must match the number of classes', () => {
  expect(() => plan({ labels: ['a'] }, output([3]))).toThrow('1 names, but output s has 3 classes');
  expect(() => classes({ labels: ['a', 'b'] }, output([null]), [[1, 2, 3]], [3])).toThrow(
    'has 3 classes, model.json names 2',
  );
});

describe('scores whose kind model.json does not declare', () => {
  const told = (rows: number[][], shape: number[], manifest: ModelManifest = {}) => {
    const data = toBytes(Float32Array.from(rows.flat()));
    const raw = { rows: rows.length, tensors: [{ name: 's', type: 'float32' as const, shape, data }] };
    return areProbabilities(raw, plan({ scores: 'logits', ...manifest }, output(shape)));
  };

  it('are taken as probabilities when all lie in 0..1 and each position sums to 1', () => {
    expect(told([[0.2, 0.8]], [2])).toBe(true);
    expect(told([[1, 0, 0]], [3])).toBe(true);
    expect(told([[0.2, 0.7]], [2])).toBe(false);
    expect(told([[1.5, -0.5]], [2])).toBe(false);
    expect(told([[Number.NaN, 1]], [2])).toBe(false);
    expect(told([[0.2, 0.8, 0.5, 0.5]], [2, 2])).toBe(true);
    expect(told([[0.2, 0.8, 0.5, 0.6]], [2, 2])).toBe(false);
    // Classes first: columns add up, rows do not.
    expect(told([[0.2, 0.5, 0.8, 0.5]], [2, 2], { classAxis: 0 })).toBe(true);
    expect(told([[0.2, 0.5, 0.8, 0.5]], [2, 2])).toBe(false);
    // A single score has no sum.
    expect(told([[1]], [1])).toBe(false);
  });
});
