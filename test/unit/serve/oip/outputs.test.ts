import fc from 'fast-check';
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

const classes = async (signature: ModelSignature, payload: Payload, name: string, count: number) => {
  const wishes = readWishes([{ name, parameters: { classification: count } }], false, signature);
  const [tensor] = await answerTensors(payload, wishes, signature);
  return { shape: tensor?.shape, type: tensor?.type, texts: decodeStrings(tensor?.data as Uint8Array) };
};

describe('the classification extension', () => {
  const scores = { rows: 2, tensors: [floats('y', [3], [0.1, 0.7, 0.2, 5, Number.NaN, 5])] };

  it('gives the highest scores of each row with their index, the first of equal ones first', async () => {
    expect(await classes(model([output('y', 'float32', [3])]), scores, 'y', 2)).toEqual({
      shape: [2, 2],
      type: 'string',
      texts: ['0.7:1', '0.2:2', '5:0', '5:2'],
    });
  });

  it('names labels where there is one a score, and gives no more classes than there are', async () => {
    const labelled = model([output('y', 'float32', [3])], { labels: ['a', 'b:c', 'd'] });
    expect(await classes(labelled, scores, 'y', 9)).toMatchObject({
      shape: [2, 3],
      texts: ['0.7:1:b:c', '0.2:2:d', '0.1:0:a', '5:0:a', '5:2:d', 'NaN:1:b:c'],
    });
    const others = model([output('y', 'float32', [3])], { labels: ['a'] });
    expect((await classes(others, scores, 'y', 1)).texts).toEqual(['0.7:1', '5:0']);
  });

  it('has rows first wherever the scores have them, and integers in all their digits', async () => {
    const axis = model([output('y', 'float32', [3], { batchAxis: 1 })]);
    expect((await classes(axis, scores, 'y', 1)).shape).toEqual([2, 1]);
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
    expect((await classes(model([output('y', 'int64', [2])]), wide, 'y', 1)).texts).toEqual([
      `${2n ** 62n}:1`,
    ]);
  });

  it('tells the class that a classification has decided', async () => {
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
    expect(await classes(decided, payload, 'confidence', 1)).toEqual({
      shape: [2, 1],
      type: 'string',
      texts: ['0.9:2:two', '0.5:0:zero'],
    });
    await expect(classes(decided, payload, 'confidence', 2)).rejects.toThrow('the best class of each row');
    await expect(classes(decided, payload, 'label', 1)).rejects.toThrow('the best class of each row');
  });

  it('refuses rows that differ in shape', async () => {
    const ragged = { rows: 2, tensors: [floats('y', [], [1, 2, 3], { shapes: [[1], [2]] })] };
    await expect(classes(model([output('y', 'float32', [3])]), ragged, 'y', 1)).rejects.toThrow(
      'rows differ in shape',
    );
  });

  it('finds the best of many scores as a sort does, and lets others run in between', async () => {
    const size = 600_000;
    const values = Float32Array.from({ length: size }, (_, i) => (i * 7919) % 1000);
    values[17] = Number.NaN;
    const payload: Payload = {
      rows: 1,
      tensors: [{ name: 'y', type: 'float32', shape: [size], data: new Uint8Array(values.buffer) }],
    };
    const signature = model([output('y', 'float32', [size])]);
    let turns = 0;
    const count = () => {
      turns += 1;
      counting = setImmediate(count);
    };
    let counting = setImmediate(count);
    const { texts } = await classes(signature, payload, 'y', 700);
    clearImmediate(counting);
    // 600 scores are 999, in their order; the rest are 998.
    const sorted = Array.from(values.keys())
      .filter((index) => (values[index] as number) >= 998)
      .sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
    expect(texts).toEqual(sorted.slice(0, 700).map((index) => `${values[index]}:${index}`));
    expect(turns).toBeGreaterThan(1);
  });

  it('keeps the best whatever the order of the scores, the first of equal ones first', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 400 }),
        fc.integer({ min: 1, max: 100 }),
        async (values, count) => {
          const payload = { rows: 1, tensors: [floats('y', [values.length], values)] };
          const signature = model([output('y', 'float32', [values.length])]);
          const order = [...values.keys()].sort(
            (a, b) => (values[b] as number) - (values[a] as number) || a - b,
          );
          expect((await classes(signature, payload, 'y', count)).texts).toEqual(
            order.slice(0, count).map((index) => `${values[index]}:${index}`),
          );
        },
      ),
    ));

  it('is refused for more classes than are picked out quickly', async () => {
    const open = model([output('y', 'float32', [null as never])]);
    const many = { rows: 1, tensors: [floats('y', [1], [1])] };
    await expect(classes(open, many, 'y', 1025)).rejects.toMatchObject({ code: 'PARAMETER' });
    // All of a few are fine.
    expect((await classes(model([output('y', 'float32', [1])]), many, 'y', 100_000)).texts).toEqual(['1:0']);
  });

  it('has an axis of rows for more than one row, also of a model that runs one row at a time', async () => {
    const alone = model([output('y', 'float32', [3], { batchAxis: null })], { batchable: false });
    expect((await classes(alone, scores, 'y', 1)).shape).toEqual([2, 1]);
    expect((await classes(alone, scores, 'y', 2)).shape).toEqual([2, 2]);
    const one = { rows: 1, tensors: [floats('y', [3], [0.1, 0.7, 0.2])] };
    expect((await classes(alone, one, 'y', 2)).shape).toEqual([2]);
  });
});

describe('answerTensors', () => {
  it('says so when an output is not in the result', async () => {
    const signature = model([output('y', 'float32', [1])]);
    const wishes = readWishes(undefined, true, signature);
    await expect(answerTensors({ rows: 1, tensors: [] }, wishes, signature)).rejects.toThrow("no output 'y'");
  });
});
