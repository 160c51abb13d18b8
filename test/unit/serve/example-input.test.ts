import { expect, it } from 'vitest';
import { payloadFromValue } from '../../../src/lib/input/value.js';
import type { ModelSignature, TensorSignature } from '../../../src/lib/model/signature.js';
import { exampleInput } from '../../../src/lib/serve/gateway/example-input.js';
import { tensorSignature } from '../../support/signatures.js';

const tensor = (
  name: string,
  shape: (number | null)[],
  more: Partial<TensorSignature> = {},
): TensorSignature =>
  tensorSignature(name, shape, { modelShape: ['n', ...shape.map((size) => size ?? 'open')], ...more });
const model = (inputs: TensorSignature[], more: Partial<ModelSignature> = {}): ModelSignature => ({
  name: 'm',
  version: 1,
  task: 'tensor',
  batchable: true,
  inputs,
  outputs: [],
  sizeBytes: 1,
  digest: 'd',
  warnings: [],
  ...more,
});

it.each([
  ['a vector', model([tensor('x', [3])]), [0, 0, 0]],
  [
    'an image',
    model([tensor('x', [1, 2, 2])]),
    [
      [
        [0, 0],
        [0, 0],
      ],
    ],
  ],
  ['open sizes as they ran', model([tensor('x', [null])], { trialShapes: { x: [2] } }), [0, 0]],
  ['whole numbers', model([tensor('x', [2], { type: 'int64' })]), [0, 0]],
  ['truth values', model([tensor('x', [2], { type: 'bool' })]), [false, false]],
  ['texts', model([tensor('x', [2], { type: 'string' })]), ['text', 'text']],
  ['several inputs', model([tensor('a', [1]), tensor('b', [2])]), { a: [0], b: [0, 0] }],
  ['an input that has a default', model([tensor('a', [1]), tensor('b', [2], { default: 1 })]), { a: [0] }],
])('of a model that takes %s is one that fits', (_, signature, example) => {
  expect(exampleInput(signature)).toEqual(example);
  expect(payloadFromValue(exampleInput(signature), signature).rows).toBe(1);
});

it('is made for an image of the usual size of classifiers, but not for a much larger one', () => {
  const picture = exampleInput(model([tensor('x', [3, 224, 224])]));
  expect(payloadFromValue(picture, model([tensor('x', [3, 224, 224])])).rows).toBe(1);
  expect(JSON.stringify(picture).length).toBeLessThan(400_000);
  expect(exampleInput(model([tensor('x', [3, 512, 512])]))).toBeUndefined();
});

it.each([
  ['only a handler knows', model([tensor('json', [], { type: 'string', role: 'json' })])],
  ['is larger than any request', model([tensor('x', [10_000, 10_000])])],
])('is not made of an input that %s', (_, signature) => {
  expect(exampleInput(signature)).toBeUndefined();
});
