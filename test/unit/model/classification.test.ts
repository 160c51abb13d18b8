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

/** Rows of scores as they are shown, and the rows that failed. */
function classes(manifest: ModelManifest, signature: TensorSignature, rows: number[][], shape?: number[]) {
  const own = shape ?? (signature.shape as number[]);
  expect(rows.every((row) => row.length === elementCount(own))).toBe(true);
  const data = toBytes(Float32Array.from(rows.flat()));
  const raw = { rows: rows.length, tensors: [{ name: 's', type: 'float32' as const, shape: own, data }] };
  const { outputs, failed } = classify(raw, plan(manifest, signature));
  return { values: rowValues(outputs, 'json'), failed: failed.map(({ row, error }) => [row, error.message]) };
}

describe('one axis', () => {
  it('logits get a softmax that does not overflow', () => {
    const { values } = classes({}, output([3]), [
      [1000, 999, -1000],
      [Number.POSITIVE_INFINITY, 0, 0],
    ]);
    expect(values).toEqual([
      { class: 0, confidence: 0.7310586 },
      { class: 0, confidence: 1 },
    ]);
  });

  it('probabilities are taken as they are, and must be some', () => {
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

describe('one score decides between two classes', () => {
  it.each([[[1]], [[]], [[1, 1]]])('a row of shape %j', (shape) => {
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

describe('more axes', () => {
  it('the last of two: a class for every token', () => {
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

  it('the one that is as long as the labels', () => {
    const channelsFirst = [1, 0, 5, 0, 9, 0, 0, 8];
    expect(classes({ labels: ['a', 'b'] }, output([2, null]), [channelsFirst], [2, 4]).values).toMatchObject([
      { class: [1, 0, 0, 1] },
    ]);
    expect(classes({ labels: ['a', 'b'] }, output([2, 1, 4]), [channelsFirst]).values).toMatchObject([
      { class: [[1, 0, 0, 1]] },
    ]);
  });

  it('the one that model.json names', () => {
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

  it('are refused at load where none is known to be it', () => {
    expect(() => plan({}, output([21, 520, 520]))).toThrow('say which axis the classes run along');
    expect(() => plan({ labels: ['a', 'b'] }, output([2, 2, 2]))).toThrow('say which axis');
    expect(() => plan({}, output([3], { shared: true }))).toThrow('the same for every row');
  });

  it('the batch of a model that runs one row at a time is none of them', () => {
    const fixed = output([1, 3], { batchAxis: null, modelShape: [1, 3] });
    expect(classes({}, fixed, [[0, 9, 0]]).values).toMatchObject([{ class: 1 }]);
    // Whatever inputs may call it.
    for (const name of ['batch', 'N', 'bs', 'bsz', 'dynamic_batch']) {
      const named = output([null, 3], { batchAxis: null, modelShape: [name, 3] });
      expect(classes({}, named, [[0, 9, 0]], [1, 3]).values).toMatchObject([{ class: 1 }]);
    }
    const tokens = output([1, null, 3], { batchAxis: null, modelShape: [1, 'seq', 3] });
    expect(classes({}, tokens, [[0, 9, 0, 0, 0, 9]], [1, 2, 3]).values).toMatchObject([{ class: [1, 2] }]);
  });
});

it('labels must name the classes there are', () => {
  expect(() => plan({ labels: ['a'] }, output([3]))).toThrow('1 names, but output s has 3 classes');
  expect(() => classes({ labels: ['a', 'b'] }, output([null]), [[1, 2, 3]], [3])).toThrow(
    'has 3 classes, model.json names 2',
  );
});

describe('scores of which model.json does not say what they are', () => {
  const told = (rows: number[][], shape: number[], manifest: ModelManifest = {}) => {
    const data = toBytes(Float32Array.from(rows.flat()));
    const raw = { rows: rows.length, tensors: [{ name: 's', type: 'float32' as const, shape, data }] };
    return areProbabilities(raw, plan({ scores: 'logits', ...manifest }, output(shape)));
  };

  it('are probabilities where all are within 0 to 1 and each place has a sum of 1', () => {
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
    // One score alone has no sum.
    expect(told([[1]], [1])).toBe(false);
  });
});
