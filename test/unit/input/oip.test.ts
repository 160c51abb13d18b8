import { describe, expect, it } from 'vitest';
import { isOipRequest, payloadFromOip } from '../../../src/lib/input/oip.js';
import type { ModelSignature, TensorSignature } from '../../../src/lib/model/signature.js';
import { failure, floats, input, model } from './signatures.js';

const output = (name: string) => input(name, 'float32', [1]);
const pair: ModelSignature = {
  ...model(input('left', 'float32', [2]), input('right', 'string', [1])),
  outputs: [output('score'), output('label')],
};
const left = { name: 'left', shape: [2, 2], datatype: 'FP32', data: [1, 2, 3, 4] };
const right = { name: 'right', shape: [2, 1], datatype: 'BYTES', data: ['a', 'b'] };
const x = (shape: (number | null)[], more: Partial<TensorSignature> = {}) =>
  model(input('x', 'float32', shape, more));
const tensor = (shape: unknown, data: unknown) => ({ name: 'x', shape, datatype: 'FP32', data });

describe('an Open Inference Protocol request', () => {
  it.each<[string, unknown, ModelSignature, boolean]>([
    ['a list of inputs', { inputs: [left] }, pair, true],
    ['a list of anything, if no input has this name', { inputs: [1, 2] }, pair, true],
    ['numbers for an input of this name', { inputs: [1, 2] }, model(input('inputs', 'float32', [2])), false],
    [
      'inputs for a model whose input has this name',
      { inputs: [left] },
      model(input('inputs', 'float32', [2])),
      true,
    ],
    ['another field', { input: [left] }, pair, false],
    ['no list', { inputs: left }, pair, false],
    ['a list', [left], pair, false],
    ['nothing', null, pair, false],
    ['a field of the prototype', Object.create({ inputs: [left] }), pair, false],
  ])('is distinguished from other values: %s', (_, value, signature, is) => {
    expect(isOipRequest(value, signature)).toBe(is);
  });

  it('has its tensors in the order of the model, and each requested output once', () => {
    const payload = payloadFromOip({ inputs: [right, left], outputs: [] }, pair);
    expect([payload.rows, payload.tensors.map(({ name }) => name)]).toEqual([2, ['left', 'right']]);
    expect(payload).not.toHaveProperty('wanted');
    expect(payload.tensors[0]).not.toHaveProperty('shared');
    const outputs = [{ name: 'label' }, { name: 'score' }, { name: 'label' }];
    expect(payloadFromOip({ inputs: [left, right], outputs }, pair).wanted).toEqual(['label', 'score']);
  });

  it.each<[string, unknown[], unknown, string, string, string]>([
    [
      'twice the same input',
      [left, left],
      undefined,
      'INPUT_NAMES',
      "inputs[1]: 'left' appears twice",
      'give every input once',
    ],
    [
      'a missing input',
      [left],
      undefined,
      'INPUT_NAMES',
      "inputs: no 'right' found; model digits takes 'left', 'right'",
      'add {"name": "right", "shape": [...], "datatype": "BYTES", "data": [...]}',
    ],
    [
      'inputs of different rows',
      [left, { ...right, shape: [1, 1], data: ['a'] }],
      undefined,
      'INPUT_SHAPE',
      "inputs[1]: 'right' holds 1 rows, the inputs before it 2",
      'give all inputs the same size along the batch axis',
    ],
    [
      'an object without a name',
      [left, { shape: [1] }],
      undefined,
      'INPUT_OIP',
      'inputs[1]: an object without a name found',
      'write {"name": ..., "shape": [...], "datatype": ..., "data": [...]}',
    ],
    [
      'a name that is not text',
      [{ ...left, name: 1 }],
      undefined,
      'INPUT_OIP',
      'inputs[0]: an object without a name found',
      'write {"name": ..., "shape": [...], "datatype": ..., "data": [...]}',
    ],
    [
      'a number for an input',
      [1],
      undefined,
      'INPUT_OIP',
      'inputs[0]: one number found',
      'write {"name": ..., "shape": [...], "datatype": ..., "data": [...]}',
    ],
    [
      'a misspelt input',
      [{ ...left, name: 'lefd' }],
      undefined,
      'INPUT_NAMES',
      "inputs[0]: 'lefd' is not an input of model digits; it takes 'left', 'right'",
      "did you mean 'left'?",
    ],
    [
      'an unknown input',
      [{ ...left, name: 'something' }],
      undefined,
      'INPUT_NAMES',
      "inputs[0]: 'something' is not an input of model digits; it takes 'left', 'right'",
      'remove that input',
    ],
    [
      'no datatype',
      [{ ...left, datatype: 7 }],
      undefined,
      'INPUT_OIP',
      "inputs[0]: no datatype found; input 'left' of model digits takes FP32",
      'write "datatype": "FP32"',
    ],
    [
      'another datatype',
      [{ ...left, datatype: 'INT8' }],
      undefined,
      'INPUT_OIP',
      "inputs[0]: datatype INT8 found; input 'left' of model digits takes FP32",
      'write "datatype": "FP32"',
    ],
    [
      'no list of outputs',
      [left, right],
      'score',
      'INPUT_OIP',
      'outputs: text found where a list of outputs is expected',
      'write "outputs": [{"name": ...}], or leave it out for all outputs',
    ],
    [
      'an output without a name',
      [left, right],
      [{}],
      'INPUT_OIP',
      'outputs[0]: an object without a name found',
      'write {"name": ...}',
    ],
    [
      'an output that is not an object',
      [left, right],
      [{ name: 'score' }, null],
      'INPUT_OIP',
      'outputs[1]: null found',
      'write {"name": ...}',
    ],
    [
      'a misspelt output',
      [left, right],
      [{ name: 'scor' }],
      'INPUT_NAMES',
      "outputs[0]: 'scor' is not an output of model digits; it gives 'score', 'label'",
      "did you mean 'score'?",
    ],
    [
      'an unknown output',
      [left, right],
      [{ name: 'anything' }],
      'INPUT_NAMES',
      "outputs[0]: 'anything' is not an output of model digits; it gives 'score', 'label'",
      'remove that output',
    ],
    [
      'no data',
      [{ ...left, data: undefined }],
      undefined,
      'INPUT_OIP',
      "inputs[0]: no data found; input 'left' of model digits takes a list of 4",
      'write "data": [...], flat in row-major order or nested like the shape',
    ],
    [
      'data that is not a list',
      [{ ...left, data: 'text' }],
      undefined,
      'INPUT_OIP',
      "inputs[0]: data that is text found; input 'left' of model digits takes a list of 4",
      'write "data": [...], flat in row-major order or nested like the shape',
    ],
    [
      'too little data',
      [{ ...left, data: [1, 2, 3] }],
      undefined,
      'INPUT_SHAPE',
      'inputs[0]: data of 3 numbers found; its shape [2, 2] needs 4 elements, flat or nested alike',
      "make shape and data of 'left' agree",
    ],
    [
      'data nested differently',
      [{ ...left, data: [[1, 2, 3, 4]] }],
      undefined,
      'INPUT_SHAPE',
      'inputs[0]: data of a list of shape 1 x 4 found; its shape [2, 2] needs 4 elements, flat or nested alike',
      "make shape and data of 'left' agree",
    ],
    [
      'ragged data',
      [{ ...left, data: [[1, 2], [3]] }],
      undefined,
      'INPUT_RAGGED',
      'inputs[0]: ragged data found; its shape [2, 2] needs 4 elements, flat or nested alike',
      "make shape and data of 'left' agree",
    ],
    [
      'a value that does not fit, in the first place',
      [{ ...left, data: ['a', 2, 3, 4] }],
      undefined,
      'INPUT_TYPE',
      'inputs[0]: element 1 is text',
      '',
    ],
    [
      'text with a NUL in the first place',
      [left, { ...right, data: ['a\0', 'b'] }],
      undefined,
      'INPUT_VALUE',
      'inputs[1]: element 1 is text with a NUL',
      '',
    ],
  ])('is refused with place and fix: %s', async (_, inputs, outputs, code, message, hint) => {
    const error = await failure(() => payloadFromOip({ inputs, outputs }, pair));
    expect([error.code, error.exitCode]).toEqual([code, 65]);
    expect(error.message).toContain(message);
    if (hint !== '') expect(error.hint).toBe(hint);
  });
});

describe('the shape of a tensor', () => {
  it.each<[string, unknown, ModelSignature, string, string]>([
    ['none', undefined, x([2]), 'no shape of whole numbers found', 'write "shape": [rows, 2]'],
    ['a fraction', [1.5, 2], x([2]), 'no shape of whole numbers found', 'write "shape": [rows, 2]'],
    ['a negative size', [-1, 2], x([2]), 'no shape of whole numbers found', 'write "shape": [rows, 2]'],
    ['text among numbers', [1, '2'], x([2]), 'no shape of whole numbers found', 'write "shape": [rows, 2]'],
    ['a shape without its rows', [2], x([2]), 'shape [2] found', 'the shape counts the rows too: [rows, 2]'],
    ['a shape with too many axes', [1, 1, 2], x([2]), 'shape [1, 1, 2] found', 'write "shape": [rows, 2]'],
    ['another size', [1, 3], x([2]), 'shape [1, 3] found', 'write "shape": [rows, 2]'],
    ['no rows', [0, 2], x([2]), 'the shape [0, 2] holds no elements', 'give one row or more'],
    ['an open axis', [1], x([null, 2]), 'shape [1] found', 'write "shape": [rows, ?, 2]'],
    ['an axis of rows that is not the first', [2, 3], x([2], { batchAxis: 1 }), 'shape [2, 3] found', ''],
    ['a shared input', [3], x([2], { shared: true }), 'shape [3] found', 'write "shape": [2]'],
  ])('is refused with the expected shape: %s', async (what, shape, signature, message, hint) => {
    const data = [1, 2, 3, 4, 5, 6];
    const read = () => payloadFromOip({ inputs: [tensor(shape, data)] }, signature);
    if (what.startsWith('an axis of rows')) {
      // Here the second axis has the rows.
      expect(read()).toMatchObject({ rows: 3 });
      return;
    }
    const error = await failure(read);
    expect(error.message).toContain(message);
    expect(error.message).toContain("input 'x' of model digits takes [");
    expect(error.hint).toBe(hint);
  });

  it('may be that of a shared input, which has no rows', () => {
    const shared = model(input('x', 'float32', [2], { shared: true }), input('y', 'float32', [1]));
    const rows = { name: 'y', shape: [3, 1], datatype: 'FP32', data: [1, 2, 3] };
    const payload = payloadFromOip({ inputs: [tensor([2], [5, 6]), rows] }, shared);
    expect(payload.rows).toBe(3);
    expect(payload.tensors.map(({ shared: is }) => is === true)).toEqual([true, false]);
    expect(payloadFromOip({ inputs: [tensor([2], [5, 6])] }, x([2], { shared: true })).rows).toBe(1);
  });

  it('starts with the rows, whatever their axis', () => {
    // Element (a, row, b) of shape (2, 3, 2), counted from 0.
    const data = Array.from({ length: 12 }, (_, i) => i);
    const payload = payloadFromOip({ inputs: [tensor([2, 3, 2], data)] }, x([2, 2], { batchAxis: 1 }));
    expect([payload.rows, payload.tensors[0]?.shape]).toEqual([3, [2, 2]]);
    expect(floats(payload)).toEqual([0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
  });

  const whole = (shape: number[]): ModelSignature => ({ ...x(shape, { batchAxis: null }), batchable: false });
  it.each<[number[], number, number[]]>([
    [[1, 2, 3], 1, [1, 2, 3]],
    [[2, 3], 1, [1, 2, 3]],
    [[4, 2, 3], 4, [1, 2, 3]],
    [[4, 1, 2, 3], 4, [1, 2, 3]],
  ])('%j is %i rows of a model that takes one a run', (shape, rows, rowShape) => {
    const data = Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i);
    const payload = payloadFromOip({ inputs: [tensor(shape, data)] }, whole([1, 2, 3]));
    expect([payload.rows, payload.tensors[0]?.shape, floats(payload)]).toEqual([rows, rowShape, data]);
  });

  it.each([[[3]], [[1, 4, 1, 2, 3]], [[2, 4]], [[0, 2, 3]], ['2, 3'], [[1, -2, 3]]])(
    '%j is refused for a model that takes one row a run',
    async (shape) => {
      const read = () => payloadFromOip({ inputs: [tensor(shape, [1, 2, 3])] }, whole([1, 2, 3]));
      expect((await failure(read)).message).toContain('takes [1, 2, 3]');
    },
  );

  it('of one axis is exact for a model that takes one row per run', async () => {
    expect(payloadFromOip({ inputs: [tensor([2], [1, 2])] }, whole([2])).rows).toBe(1);
    expect(
      (await failure(() => payloadFromOip({ inputs: [tensor([3, 1], [1, 2, 3])] }, whole([1])))).code,
    ).toBe('INPUT_SHAPE');
  });
});
