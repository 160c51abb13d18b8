import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { toHalf } from '../../../src/lib/model/elements.js';
import { rowValues } from '../../../src/lib/model/rows.js';
import { OutputSelector, withOwnSelection } from '../../../src/lib/model/select-outputs.js';
import { resultOutputs, type SelectionWish, selectionOf } from '../../../src/lib/model/selection.js';
import type { ModelSignature, TensorSignature } from '../../../src/lib/model/signature.js';
import { type DataType, type Payload, type RowTensor, splitRows } from '../../../src/lib/model/tensor.js';
import { packPayloads, unpackPayload } from '../../../src/lib/model/wire.js';
import { tensorSignature } from '../../support/signatures.js';

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array };

const tensor = (
  name: string,
  shape: number[],
  values: readonly (number | bigint)[],
  type: keyof typeof ARRAYS = 'float32',
  more: Partial<RowTensor> = {},
): RowTensor => {
  const data = (ARRAYS[type] as typeof Float32Array).from(values as number[]);
  return { name, type, shape, data: new Uint8Array(data.buffer), ...more };
};

const model = (outputs: TensorSignature[], more: Partial<ModelSignature> = {}): ModelSignature =>
  ({ name: 'm', version: 1, task: 'tensor', batchable: true, inputs: [], outputs, ...more }) as never;

/** What a run of these outputs gives to rows that all ask for this. */
const chosen = (signature: ModelSignature, wish: SelectionWish, outputs: Payload) => {
  const asked = selectionOf(wish, signature);
  const selector = new OutputSelector(signature, undefined);
  const ran = selector.apply({ outputs, failed: [] }, [{ rows: outputs.rows, ...asked }]);
  const signatures = resultOutputs(signature, asked ?? {});
  for (const { name, type, shape, shapes } of ran.outputs.tensors) {
    const published = signatures.find((one) => one.name === name);
    expect(published?.type).toBe(type);
    if (shapes !== undefined) continue;
    expect(published?.shape.map((dim, at) => dim ?? shape[at])).toEqual(shape);
  }
  return { rows: rowValues(ran.outputs, 'json'), failed: ran.failed };
};

const refused = (work: () => unknown): Partial<InferError> => {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(InferError);
    const { code, message, hint } = error as InferError;
    return { code, message, hint };
  }
  throw new Error('it was not refused');
};

const y = tensorSignature('y', [4]);
const scores: Payload = { rows: 2, tensors: [tensor('y', [4], [0.1, 5, -1, 5, Number.NaN, 1, 2, 0])] };

describe('topK', () => {
  it('gives the highest scores and their indexes, of equal ones the first first, NaN last', () => {
    expect(chosen(model([y]), { topK: 2 }, scores).rows).toEqual([
      { y_scores: [5, 5], y_indexes: [1, 3] },
      { y_scores: [2, 1], y_indexes: [2, 1] },
    ]);
    expect(chosen(model([y]), { topK: 9 }, scores).rows[1]).toEqual({
      y_scores: [2, 1, 0, 'NaN'],
      y_indexes: [2, 1, 3, 0],
    });
    const low = { rows: 1, tensors: [tensor('y', [4], [Number.NaN, -Infinity, Number.NaN, -Infinity])] };
    expect(chosen(model([y]), { topK: 3 }, low).rows).toEqual([
      { y_scores: ['-Infinity', '-Infinity', 'NaN'], y_indexes: [1, 3, 0] },
    ]);
  });

  it('names labels if model.json has as many as there are scores', () => {
    const labels = ['a', 'b', 'c', 'd'];
    expect(chosen(model([y], { labels }), { topK: 2 }, scores).rows[0]).toEqual({
      y_scores: [5, 5],
      y_indexes: [1, 3],
      y_labels: ['b', 'd'],
    });
    expect(chosen(model([y], { labels: ['a'] }), { topK: 1 }, scores).rows[0]).toEqual({
      y_scores: [5],
      y_indexes: [1],
    });
    const open = model([tensorSignature('y', [null])], { labels: ['a'] });
    expect(refused(() => chosen(open, { topK: 1 }, scores))).toMatchObject({
      code: 'RUN_FAILED',
      message: 'output y has 4 classes, model.json names 1',
    });
  });

  it.each<[DataType, RowTensor, unknown[]]>([
    ['int64', tensor('y', [3], [1n, 2n ** 62n, 2n ** 62n - 1n], 'int64'), [`${2n ** 62n}`]],
    ['int32', tensor('y', [3], [-5, 7, 7], 'int32'), [7]],
    ['float64', tensor('y', [3], [0.1, 1e300, 2], 'float64'), [1e300]],
    [
      'float16',
      {
        name: 'y',
        type: 'float16',
        shape: [3],
        data: new Uint8Array(Uint16Array.from([-1, 0.25, 0.125], toHalf).buffer),
      },
      [0.25],
    ],
  ])('keeps the type of the scores: %s', (type, one, highest) => {
    const signature = model([tensorSignature('y', [3], { type })]);
    expect(chosen(signature, { topK: 1 }, { rows: 1, tensors: [one] }).rows).toEqual([
      { y_scores: highest, y_indexes: [1] },
    ]);
  });

  it('takes every place of a row, along the last axis or the one that model.json names', () => {
    const values = [1, 5, 3, 4, 2, 6];
    const outputs = { rows: 1, tensors: [tensor('y', [2, 3], values)] };
    const signature = model([tensorSignature('y', [2, 3])]);
    expect(chosen(signature, { topK: 2 }, outputs).rows).toEqual([
      {
        y_scores: [
          [5, 3],
          [6, 4],
        ],
        y_indexes: [
          [1, 2],
          [2, 0],
        ],
      },
    ]);
    expect(chosen({ ...signature, classAxis: 0 }, { topK: 1 }, outputs).rows).toEqual([
      { y_scores: [[4, 5, 6]], y_indexes: [[1, 0, 1]] },
    ]);
    const alone = model([tensorSignature('y', [1, 2, 3], { batchAxis: null })], { classAxis: 0 });
    const one = { rows: 1, tensors: [tensor('y', [1, 2, 3], values)] };
    expect(chosen(alone, { argmax: 'y' }, one).rows).toEqual([{ y_argmax: [[1, 0, 1]] }]);
  });

  it('is taken of each row by itself where rows differ in shape', () => {
    const signature = model([tensorSignature('y', [null])]);
    const outputs = {
      rows: 3,
      tensors: [tensor('y', [], [3, 9, 1, 7, 8, 6], 'float32', { shapes: [[2], [1], [3]] })],
    };
    expect(chosen(signature, { topK: 2 }, outputs).rows).toEqual([
      { y_scores: [9, 3], y_indexes: [1, 0] },
      { y_scores: [1], y_indexes: [0] },
      { y_scores: [8, 7], y_indexes: [1, 0] },
    ]);
  });
});

describe('argmax', () => {
  it('is the index of the highest score, the first of equal ones; NaN is none', () => {
    expect(chosen(model([y]), { argmax: ['y'] }, scores).rows).toEqual([{ y_argmax: 1 }, { y_argmax: 2 }]);
  });

  it('fails a row whose scores are all NaN, and no other', () => {
    const bad = { rows: 3, tensors: [tensor('y', [2], [1, 2, Number.NaN, Number.NaN, 4, 3])] };
    const { rows, failed } = chosen(model([tensorSignature('y', [2])]), { argmax: 'y' }, bad);
    expect(rows).toEqual([{ y_argmax: 1 }, { y_argmax: 0 }]);
    expect(failed).toMatchObject([{ row: 1, error: { code: 'RUN_FAILED' } }]);
  });

  it('of a shared output is shared', () => {
    const shared = model([tensorSignature('s', [3], { shared: true })]);
    const outputs = { rows: 2, tensors: [tensor('s', [3], [1, 3, 2], 'float32', { shared: true })] };
    expect(chosen(shared, { argmax: 's' }, outputs).rows).toEqual([{ s_argmax: 1 }, { s_argmax: 1 }]);
  });
});

describe('a selection', () => {
  const both = model([y, tensorSignature('hidden', [2]), tensorSignature('text', [], { type: 'string' })]);

  it('names outputs, in the order of the model, and replaces those with topK or argmax', () => {
    const wanted = (wish: SelectionWish) => selectionOf(wish, both)?.wanted;
    expect(wanted({})).toBeUndefined();
    expect(wanted({ outputs: ['hidden', 'y'] })).toEqual(['y', 'hidden']);
    expect(wanted({ outputs: ['y'], topK: 5 })).toEqual(['y_scores', 'y_indexes']);
    expect(wanted({ outputs: ['hidden'], argmax: 'y' })).toEqual(['y_argmax', 'hidden']);
    expect(wanted({ topK: { y: 1, hidden: 2 } })).toEqual([
      'y_scores',
      'y_indexes',
      'hidden_scores',
      'hidden_indexes',
      'text',
    ]);
    expect(wanted({ argmax: 'y', topK: 2 })).toEqual(['y_argmax', 'hidden_scores', 'hidden_indexes', 'text']);
    expect(wanted({ outputs: ['*'] })).toEqual(['y', 'hidden', 'text']);
  });

  it.each<[SelectionWish, string, RegExp, RegExp]>([
    [
      { outputs: ['hiden'] },
      'OUTPUT_UNKNOWN',
      /'hiden' is not an output of model m/,
      /did you mean 'hidden'/,
    ],
    [{ outputs: ['zzzzzz'] }, 'OUTPUT_UNKNOWN', /it gives y, hidden, text/, /infer models/],
    [{ outputs: [] }, 'OUTPUT_SELECTION', /outputs is empty/, /y, hidden, text/],
    [{ topK: 3 }, 'OUTPUT_SELECTION', /topK could mean y, hidden/, /--top-k y=5/],
    [{ topK: 0 }, 'OUTPUT_SELECTION', /could mean/, /./],
    [{ topK: { y: 0 } }, 'OUTPUT_SELECTION', /whole number from 1 to 65536/, /--top-k 5/],
    [{ topK: { y: 1.5 } }, 'OUTPUT_SELECTION', /whole number/, /./],
    [
      { topK: { text: 1 } },
      'OUTPUT_SELECTION',
      /'text' of model m is string, so it has no topK/,
      /y float32/,
    ],
    [{ outputs: ['text'], topK: 1 }, 'OUTPUT_SELECTION', /no output of model m that is asked for/, /./],
    [{ argmax: 'text' }, 'OUTPUT_SELECTION', /is string, so it has no argmax/, /./],
    [{ argmax: 'Y' }, 'OUTPUT_UNKNOWN', /'Y' is not an output/, /did you mean 'y'/],
    [{ argmax: 'y', topK: { y: 2 } }, 'OUTPUT_SELECTION', /cannot have both/, /first index/],
  ])('is refused with the fix: %j', (wish, code, message, hint) => {
    const error = refused(() => selectionOf(wish, both));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });

  it('is refused for a scalar, a boolean, a handler, and a name that the model uses itself', () => {
    const scalar = model([tensorSignature('loss', []), tensorSignature('mask', [2], { type: 'bool' })]);
    expect(refused(() => selectionOf({ argmax: 'loss' }, scalar)).message).toContain('is one number a row');
    expect(refused(() => selectionOf({ topK: { mask: 1 } }, scalar)).message).toContain('is bool');
    const handler = model([y], { task: 'handler' });
    expect(refused(() => selectionOf({ outputs: ['y'] }, handler)).message).toContain('made by its handler');
    const taken = model([y, tensorSignature('y_argmax', [2])]);
    expect(refused(() => selectionOf({ argmax: 'y' }, taken)).message).toContain('has an output y_argmax');
  });

  it('may differ between the rows of a run, which then come back as segments, also through the pipe', () => {
    const signature = model([y]);
    const outputs = { rows: 3, tensors: [tensor('y', [4], [1, 2, 3, 4, 8, 7, 6, 5, 0, 9, 0, 0])] };
    const failed = [{ row: 1, error: new InferError('RUN_FAILED', 'bad') }];
    const parts = [
      { rows: 2, ...selectionOf({ argmax: 'y' }, signature) },
      { rows: 1 },
      { rows: 1, ...selectionOf({ topK: 1 }, signature) },
    ];
    const ran = new OutputSelector(signature, undefined).apply({ outputs, failed }, parts);
    expect(ran.failed).toEqual(failed);
    const { payload, parts: bytes } = packPayloads([ran.outputs]);
    const back = unpackPayload(JSON.parse(JSON.stringify(payload)), Buffer.concat(bytes));
    expect(back.rows).toBe(3);
    expect(splitRows(back, [1, 1, 1]).flatMap((one) => rowValues(one, 'json'))).toEqual([
      { y_argmax: 3 },
      { y: [8, 7, 6, 5] },
      { y_scores: [9], y_indexes: [1] },
    ]);
  });
});

describe('the selection of model.json', () => {
  const published = model([y, tensorSignature('hidden', [2])]);

  it('applies to rows that ask for nothing, and is what the model publishes', () => {
    const own = withOwnSelection(published, { chosen: ['y'], topK: 2 }, 'm/model.json');
    expect(own.signature.outputs.map(({ name, type, shape }) => [name, type, shape])).toEqual([
      ['y_scores', 'float32', [2]],
      ['y_indexes', 'int32', [2]],
    ]);
    expect(own.signature.choices).toEqual(published.outputs);
    const outputs = { rows: 1, tensors: [tensor('y', [4], [1, 2, 3, 0]), tensor('hidden', [2], [5, 6])] };
    const ran = (wish: SelectionWish) => {
      const asked = selectionOf(wish, own.signature);
      const parts = asked === undefined ? undefined : [{ rows: 1, ...asked }];
      return rowValues(own.selector.apply({ outputs, failed: [] }, parts).outputs, 'json')[0];
    };
    expect(ran({})).toEqual({ y_scores: [3, 2], y_indexes: [2, 1] });
    expect(ran({ outputs: ['hidden'] })).toEqual({ hidden: [5, 6] });
    expect(ran({ outputs: ['*'] })).toEqual({ y: [1, 2, 3, 0], hidden: [5, 6] });
    expect(ran({ outputs: ['y_indexes'] })).toEqual({ y_indexes: [2, 1] });
    expect(ran({ outputs: ['y'], topK: 1 })).toEqual({ y_scores: [3], y_indexes: [2] });
  });

  it('is refused at load where the model rules it out, naming the file', () => {
    const error = refused(() => withOwnSelection(published, { topK: { z: 1 } }, 'm/model.json'));
    expect(error).toMatchObject({ code: 'MODEL_MANIFEST' });
    expect(error.message).toContain("m/model.json: fields outputs, topK and argmax: 'z' is not an output");
  });
});
