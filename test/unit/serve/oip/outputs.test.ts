import { describe, expect, it } from 'vitest';
import type { ModelSignature, TensorSignature } from '../../../../src/lib/model/signature.js';
import {
  decodeStrings,
  encodeStrings,
  type Payload,
  type RowTensor,
} from '../../../../src/lib/model/tensor.js';
import { answerTensors, readWishes } from '../../../../src/lib/serve/oip/outputs.js';

const output = (
  name: string,
  type: TensorSignature['type'],
  shape: number[],
  more: Partial<TensorSignature> = {},
) => ({ name, type, shape, shared: false, batchAxis: 0, modelShape: [], ...more }) as TensorSignature;

const model = (outputs: TensorSignature[], more: Partial<ModelSignature> = {}): ModelSignature =>
  ({
    name: 'm',
    version: 1,
    task: 'tensor',
    batchable: true,
    inputs: [],
    outputs,
    ...more,
  }) as unknown as ModelSignature;

const floats = (
  name: string,
  shape: number[],
  values: number[],
  more: Partial<RowTensor> = {},
): RowTensor => ({
  name,
  type: 'float32',
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
  ...more,
});

const classes = (signature: ModelSignature, payload: Payload, name: string, count: number) => {
  const wishes = readWishes([{ name, parameters: { classification: count } }], false, signature);
  const [tensor] = answerTensors(payload, wishes, signature);
  return { shape: tensor?.shape, type: tensor?.type, texts: decodeStrings(tensor?.data as Uint8Array) };
};

describe('the classification extension', () => {
  const scores = { rows: 2, tensors: [floats('y', [3], [0.1, 0.7, 0.2, 5, Number.NaN, 5])] };

  it('gives the highest scores of each row with their index, the first of equal ones first', () => {
    expect(classes(model([output('y', 'float32', [3])]), scores, 'y', 2)).toEqual({
      shape: [2, 2],
      type: 'string',
      texts: ['0.7:1', '0.2:2', '5:0', '5:2'],
    });
  });

  it('names labels where there is one a score, and gives no more classes than there are', () => {
    const labelled = model([output('y', 'float32', [3])], { labels: ['a', 'b:c', 'd'] });
    expect(classes(labelled, scores, 'y', 9)).toMatchObject({
      shape: [2, 3],
      texts: ['0.7:1:b:c', '0.2:2:d', '0.1:0:a', '5:0:a', '5:2:d', 'NaN:1:b:c'],
    });
    const others = model([output('y', 'float32', [3])], { labels: ['a'] });
    expect(classes(others, scores, 'y', 1).texts).toEqual(['0.7:1', '5:0']);
  });

  it('has rows first wherever the scores have them, and integers in all their digits', () => {
    const axis = model([output('y', 'float32', [3], { batchAxis: 1 })]);
    expect(classes(axis, scores, 'y', 1).shape).toEqual([2, 1]);
    const wide: Payload = {
      rows: 1,
      tensors: [
        {
          name: 'y',
          type: 'int64',
          shape: [2],
          data: new Uint8Array(BigInt64Array.of(1n, 2n ** 62n).buffer),
        },
      ],
    };
    expect(classes(model([output('y', 'int64', [2])]), wide, 'y', 1).texts).toEqual([`${2n ** 62n}:1`]);
  });

  it('tells the class that a classification has decided', () => {
    const decided = model(
      ['class', 'confidence', 'label'].map((name) =>
        output(name, name === 'class' ? 'int32' : name === 'label' ? 'string' : 'float32', [], {
          role: 'class',
        }),
      ),
    );
    const payload: Payload = {
      rows: 2,
      tensors: [
        {
          name: 'class',
          type: 'int32',
          shape: [],
          role: 'class',
          data: new Uint8Array(Int32Array.of(2, 0).buffer),
        },
        floats('confidence', [], [0.9, 0.5], { role: 'class' }),
        { name: 'label', type: 'string', shape: [], role: 'class', data: encodeStrings(['two', 'zero']) },
      ],
    };
    expect(classes(decided, payload, 'confidence', 1)).toEqual({
      shape: [2, 1],
      type: 'string',
      texts: ['0.9:2:two', '0.5:0:zero'],
    });
    expect(() => classes(decided, payload, 'confidence', 2)).toThrow('the best class of each row');
    expect(() => classes(decided, payload, 'label', 1)).toThrow('the best class of each row');
  });

  it('refuses rows that differ in shape', () => {
    const ragged = { rows: 2, tensors: [floats('y', [], [1, 2, 3], { shapes: [[1], [2]] })] };
    expect(() => classes(model([output('y', 'float32', [3])]), ragged, 'y', 1)).toThrow(
      'rows differ in shape',
    );
  });
});

describe('answerTensors', () => {
  it('says so when an output is not in the result', () => {
    const signature = model([output('y', 'float32', [1])]);
    const wishes = readWishes(undefined, true, signature);
    expect(() => answerTensors({ rows: 1, tensors: [] }, wishes, signature)).toThrow("no output 'y'");
  });
});
