import { describe, expect, it } from 'vitest';
import { payloadsFromValue } from '../../../src/lib/input/value.js';
import { rowValues } from '../../../src/lib/model/rows.js';
import * as onnx from '../../support/onnx-builder.js';
import { payload, rowTensor } from './payloads.js';
import { useRunner } from './use-runner.js';

const { dir, runner } = useRunner();

async function answers(model: string, value: unknown): Promise<unknown[]> {
  const { signature } = await runner.load(model);
  const all: unknown[] = [];
  for (const part of payloadsFromValue(value, signature)) {
    const { outputs } = await runner.run({ model, parts: [part] });
    all.push(...rowValues(outputs, 'json'));
  }
  return all;
}

describe('a default in model.json', () => {
  const defaults = { state: { default: 0.5 }, sr: { default: 4 } };

  it('is published, and fills inputs that a row or the whole request leaves out', async () => {
    onnx.writeModel(dir, 'state', onnx.withState(), { inputs: defaults });
    const { signature } = await runner.load('state');
    expect(signature).toMatchObject({
      batchable: true,
      inputs: [
        { name: 'x', shape: [2] },
        { name: 'state', shape: [2, 2], batchAxis: 1, default: 0.5 },
        { name: 'sr', shape: [], shared: true, default: 4 },
      ],
      warnings: [],
    });
    expect(signature.inputs[0]).not.toHaveProperty('default');
    expect(
      await answers('state', [
        [1, 2],
        [3, 4],
      ]),
    ).toEqual([{ y: [3, 4] }, { y: [5, 6] }]);
    const own = {
      x: [1, 2],
      state: [
        [10, 20],
        [0, 0],
      ],
      sr: 1,
    };
    expect(await answers('state', [own])).toEqual([{ y: [11, 22] }]);
  });

  it('also fills inputs that a handler leaves out', async () => {
    const code = 'export default { preprocess: (row) => ({ x: row }) };';
    onnx.writeModel(
      dir,
      'handled',
      onnx.withState(),
      {
        inputs: {
          ...defaults,
          state: {
            default: [
              [1, 2],
              [9, 9],
            ],
          },
        },
        handler: './h.mjs',
      },
      { files: { 'h.mjs': code } },
    );
    await runner.load('handled');
    const rows = payload(2, rowTensor('json', 'string', [], ['[1,1]', '[2,2]']));
    const { outputs, failed } = await runner.run({ model: 'handled', parts: [rows] });
    expect([failed, rowValues(outputs, 'json')]).toEqual([[], [{ y: [5, 9] }, { y: [6, 10] }]]);
  });

  it.each([
    ['a list of another shape', { state: { default: [1, 2, 3] } }, 'field inputs.state.default'],
    ['text for a number', { sr: { default: 'fast' } }, 'field inputs.sr.default'],
    ['a fraction for an integer', { sr: { default: 0.5 } }, 'field inputs.sr.default'],
    ['a long list', { x: { default: new Array(20_000).fill(0) } }, 'a list of more than 16384 values'],
  ])('is refused at load when it is %s', async (_, inputs, message) => {
    onnx.writeModel(dir, 'wrong', onnx.withState(), { inputs });
    await expect(runner.load('wrong')).rejects.toMatchObject({
      code: 'MODEL_MANIFEST',
      exitCode: 78,
      message: expect.stringContaining(message),
    });
  });

  it('cannot fill an open dimension with one value', async () => {
    onnx.writeModel(dir, 'open', onnx.openRows(), { inputs: { x: { default: 0 } } });
    await expect(runner.load('open')).rejects.toMatchObject({
      code: 'MODEL_MANIFEST',
      message: expect.stringContaining('one value cannot fill a row of the open shape [?]'),
    });
    onnx.writeModel(dir, 'open', onnx.openRows(), { inputs: { x: { shape: [3], default: 1 } } });
    expect((await runner.load('open')).signature.inputs).toMatchObject([{ shape: [3], default: 1 }]);
  });
});

describe('the shape declared in model.json for an input of undeclared rank', () => {
  it('is the shape of one row, with the batch axis in front', async () => {
    onnx.writeModel(dir, 'rank', onnx.undeclaredRank(), { inputs: { x: { shape: [3] } } });
    const { signature } = await runner.load('rank');
    expect(signature).toMatchObject({
      batchable: true,
      inputs: [{ name: 'x', shape: [3], batchAxis: 0, modelShape: ['batch', 3] }],
      outputs: [{ name: 'y', shape: [3], batchAxis: 0 }],
      warnings: [],
    });
    expect(
      await answers('rank', [
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ).toEqual([{ y: [2, 4, 6] }, { y: [8, 10, 12] }]);
  });

  it('may have open dimensions, and another batch axis or none', async () => {
    onnx.writeModel(dir, 'rank2', onnx.undeclaredRank(), {
      inputs: { x: { shape: [2, null], batchAxis: 1 } },
    });
    expect((await runner.load('rank2')).signature).toMatchObject({
      batchable: true,
      inputs: [{ shape: [2, null], batchAxis: 1 }],
    });
    onnx.writeModel(dir, 'alone', onnx.undeclaredRank(), { batchable: false, inputs: { x: { shape: [3] } } });
    expect((await runner.load('alone')).signature).toMatchObject({
      batchable: false,
      inputs: [{ shape: [3], batchAxis: null }],
    });
    expect(await answers('alone', [1, 2, 3])).toEqual([{ y: [2, 4, 6] }]);
  });
});
