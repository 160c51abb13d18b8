import { expect, it } from 'vitest';
import { parseManifest } from '../../../src/lib/model/manifest.js';

it('a manifest may have every field', () => {
  const manifest = {
    description: 'd',
    task: 'classification',
    labels: ['a', 'b'],
    output: 'logits',
    scores: 'probabilities',
    inputs: {
      x: { batchAxis: 1, shape: [3, null], default: [[1, 'NaN'], [true]] },
      sr: { batchAxis: null, default: 16000 },
    },
    outputs: { y: { batchAxis: 0 } },
    maxBatch: 8,
    batchable: true,
    warmup: { rows: [1, 8] },
    handler: './handler.mjs',
  };
  expect(parseManifest(JSON.stringify(manifest), 'm/model.json')).toEqual(manifest);
  expect(parseManifest('{}', 'm/model.json')).toEqual({});
});

it.each([
  ['{"lables": []}', 'm/model.json: unknown field lables', "did you mean 'labels'?"],
  [
    '{"inputs": {"x": {"batchaxis": 0}}}',
    'm/model.json: unknown field inputs.x.batchaxis',
    "did you mean 'batchAxis'?",
  ],
  ['{"warmup": {"row": [1]}}', 'unknown field warmup.row', "did you mean 'rows'?"],
  ['{"inputs": {"x": {"default": null}}}', 'field inputs.x.default', undefined],
  ['{"inputs": {"x": {"default": {"a": 1}}}}', 'field inputs.x.default', undefined],
  ['{"outputs": {"y": {"default": 0}}}', 'unknown field outputs.y.default', 'fields are batchAxis, shape'],
  ['{"maxBatch": 0}', 'field maxBatch', undefined],
  ['{"task": "magic"}', 'field task: must be one of classification, embedding, tensor', undefined],
  [
    '{"task": "clasification"}',
    'field task: must be one of classification, embedding, tensor',
    "did you mean 'classification'?",
  ],
  ['{"output": {}}', 'field output: expected string, received object', "did you mean 'outputs'?"],
  ['{"labels": "a"}', 'field labels: expected array, received string', undefined],
  ['{"handler": "/etc/x.mjs"}', 'field handler: must be a path such as ./handler.mjs', undefined],
  ['{"handler": "x.py"}', 'field handler', undefined],
  ['[]', 'the whole file', undefined],
  ['{,}', 'it is not JSON', undefined],
])('a manifest with %s is rejected with file and field', (text, message, hint) => {
  let caught: unknown;
  try {
    parseManifest(text, 'm/model.json');
  } catch (error) {
    caught = error;
  }
  expect(caught).toMatchObject({
    code: 'MODEL_MANIFEST',
    exitCode: 78,
    message: expect.stringContaining(message),
  });
  if (hint !== undefined) expect(caught).toMatchObject({ hint: expect.stringContaining(hint) });
});
