import { describe, expect, it } from 'vitest';
import { chunkRows } from '../../../src/lib/input/chunk-builder.js';
import { payloadFromOip } from '../../../src/lib/input/oip.js';
import { payloadFromValue, payloadsFromValue } from '../../../src/lib/input/value.js';
import { decodeStrings, encodeStrings } from '../../../src/lib/model/tensor.js';
import { digits, failure, floats, input, jsonModel, model, square, table } from './signatures.js';

const row64 = Array.from({ length: 64 }, (_, i) => i / 64);
const six = [1, 2, 3, 4, 5, 6];
const nested = [
  [1, 2, 3],
  [4, 5, 6],
];

describe('input values', () => {
  it.each([
    ['flat row', digits, row64, 1],
    ['rows', digits, [row64, row64], 2],
    ['a batch of one', digits, [row64], 1],
    ['flat row of a 2-d input', square, six, 1],
    ['nested row', square, nested, 1],
    ['flat rows of a 2-d input', square, [six, six, six], 3],
    ['nested rows', square, [nested, nested], 2],
    ['flat and nested rows', square, [nested, six], 2],
    ['named row', digits, { pixels: row64 }, 1],
    ['named rows', digits, { pixels: [row64, row64, row64] }, 3],
    ['list of named rows', digits, [{ pixels: row64 }, { pixels: row64 }], 2],
    ['bare values', model(input('x', 'float32', [1])), [1, 2, 3], 3],
    ['one bare value', model(input('x', 'float32', [1])), [7], 1],
    ['scalars', model(input('x', 'float32', [])), [1, 2, 3], 3],
    ['a scalar', model(input('x', 'float32', [])), 4, 1],
    ['dynamic row', model(input('x', 'float32', [null])), [1, 2, 3], 1],
    [
      'dynamic rows',
      model(input('x', 'float32', [null])),
      [
        [1, 2],
        [3, 4],
      ],
      2,
    ],
    ['columns', table, { age: [34, 51], name: ['a', 'b'] }, 2],
    ['a row of columns', table, { age: 34, name: 'a' }, 1],
    ['columns of one row, one nested', table, { age: [[34]], name: ['a'] }, 1],
    ['typed array', digits, Float32Array.from(row64), 1],
    ['typed arrays', digits, [Float32Array.from(row64), Float64Array.from(row64)], 2],
  ])("are split into rows by the model's shape: %s", (_, signature, value, rows) => {
    expect(payloadFromValue(value, signature).rows).toBe(rows);
  });

  it('keep row-major order and shape', () => {
    expect(floats(payloadFromValue([nested, six], square))).toEqual([...six, ...six]);
    expect(payloadFromValue(six, square).tensors[0]?.shape).toEqual([2, 3]);
  });

  it('use a typed array of the same type without a copy, and convert others', () => {
    const own = Float32Array.from(row64);
    expect(payloadFromValue(own, digits).tensors[0]?.data.buffer).toBe(own.buffer);
    expect(payloadFromValue({ pixels: own }, digits).tensors[0]?.data.buffer).toBe(own.buffer);
    expect(floats(payloadFromValue(new Int16Array(64).fill(3), digits))).toEqual(new Array(64).fill(3));
    const half = model(input('x', 'float16', [2]));
    expect([...(payloadFromValue(Uint16Array.of(0x3c00, 0), half).tensors[0]?.data ?? [])]).toEqual([
      0, 0x3c, 0, 0,
    ]);
  });

  it('are split into chunks where the row shape or a shared value changes', async () => {
    const free = model(input('x', 'float32', [null]));
    const parts = payloadsFromValue([[1, 2], [3, 4], [5]], free);
    expect(parts.map((part) => [part.rows, part.tensors[0]?.shape])).toEqual([
      [2, [2]],
      [1, [1]],
    ]);
    expect((await failure(() => payloadFromValue([[1, 2], [3]], free))).code).toBe('INPUT_MIXED');
    const rated = model(
      input('x', 'float32', [1]),
      input('rate', 'int64', [], { shared: true, batchAxis: null }),
    );
    const shared = payloadFromValue({ x: [1, 2, 3], rate: 16000 }, rated);
    expect(shared.rows).toBe(3);
    expect(shared.tensors[1]).toMatchObject({ shared: true, shape: [] });
    expect(shared.tensors[1]?.data.byteLength).toBe(8);
    const rows = [
      { x: 1, rate: 8 },
      { x: 2, rate: 8 },
      { x: 3, rate: 9 },
    ];
    expect(payloadsFromValue(rows, rated).map((part) => part.rows)).toEqual([2, 1]);
  });

  it('are chunked by rows and bytes, text by its length', () => {
    const many = Array.from({ length: 10 }, () => row64);
    const sizes = (options: object) => payloadsFromValue(many, digits, options).map((part) => part.rows);
    expect(sizes({ chunkRows: 4 })).toEqual([4, 4, 2]);
    expect(sizes({ chunkBytes: 3 * 256 })).toEqual([3, 3, 3, 1]);
    expect(sizes({ chunkBytes: 1 })).toEqual(new Array(10).fill(1));
    expect(
      chunkRows(payloadFromValue(many, digits), { chunkRows: 6, chunkBytes: 1e6 }).map((part) => part.rows),
    ).toEqual([6, 4]);
    const texts = model(input('t', 'string', []));
    const parts = payloadsFromValue(['aaaa', 'bbbb', 'cccc'], texts, { chunkBytes: 16 });
    expect(parts.map((part) => decodeStrings(part.tensors[0]?.data as Uint8Array))).toEqual([
      ['aaaa', 'bbbb'],
      ['cccc'],
    ]);
  });

  it('pass JSON rows as text', () => {
    const texts = (value: unknown) =>
      decodeStrings(payloadFromValue(value, jsonModel).tensors[0]?.data as Uint8Array);
    expect(texts([{ a: 1 }, [2], 'x'])).toEqual(['{"a":1}', '[2]', '"x"']);
    expect(texts({ inputs: [1] })).toEqual(['{"inputs":[1]}']);
  });
});

describe('Open Inference Protocol', () => {
  const entry = { name: 'pixels', shape: [2, 64], datatype: 'FP32' };
  it('accepts flat and nested data alike', () => {
    const flat = payloadFromValue({ inputs: [{ ...entry, data: [...row64, ...row64] }] }, digits);
    const nest = payloadFromValue({ id: 'x', inputs: [{ ...entry, data: [row64, row64] }] }, digits);
    expect(flat).toEqual(nest);
    expect(flat.rows).toBe(2);
  });

  it('moves a batch axis that is not the first to the front, for text too', () => {
    const late = model(input('x', 'float32', [2], { batchAxis: 1 }));
    const read = payloadFromOip(
      { inputs: [{ name: 'x', shape: [2, 3], datatype: 'FP32', data: [1, 2, 3, 10, 20, 30] }] },
      late,
    );
    expect(read.rows).toBe(3);
    expect(floats(read)).toEqual([1, 10, 2, 20, 3, 30]);
    const text = model(input('t', 'string', [2], { batchAxis: 1 }));
    const words = payloadFromOip(
      { inputs: [{ name: 't', shape: [2, 2], datatype: 'BYTES', data: ['a', 'b', 'c', 'd'] }] },
      text,
    );
    expect(decodeStrings(words.tensors[0]?.data as Uint8Array)).toEqual(['a', 'c', 'b', 'd']);
  });

  it('takes a model that does not batch by its whole shape', () => {
    const single = { ...model(input('x', 'float32', [2, 3], { batchAxis: null })), batchable: false };
    expect(
      payloadFromOip({ inputs: [{ name: 'x', shape: [2, 3], datatype: 'FP32', data: six }] }, single),
    ).toMatchObject({ rows: 1 });
  });

  const good = { ...entry, shape: [1, 64], data: row64 };
  it.each([
    ['INPUT_OIP', [{ ...good, datatype: 'FP64' }], 'FP64 found'],
    ['INPUT_OIP', [{ ...good, datatype: undefined }], 'no datatype'],
    ['INPUT_OIP', [{ ...good, data: undefined }], 'no data'],
    ['INPUT_SHAPE', [{ ...good, shape: [64] }], '[rows, 64]'],
    ['INPUT_SHAPE', [{ ...good, shape: [1, 63] }], '[1, 63]'],
    ['INPUT_SHAPE', [{ ...good, shape: 'x' }], 'no shape'],
    ['INPUT_SHAPE', [{ ...good, data: row64.slice(1) }], '63 numbers'],
    ['INPUT_RAGGED', [{ ...good, shape: [2, 64], data: [row64, [1]] }], 'ragged'],
    ['INPUT_EMPTY', [{ ...good, shape: [0, 64], data: [] }], 'no elements'],
    ['INPUT_NAMES', [{ ...good, name: 'pixel' }], "'pixel' is not an input"],
    ['INPUT_NAMES', [good, good], 'inputs[1]: '],
    ['INPUT_NAMES', [], "no 'pixels'"],
    ['INPUT_VALUE', [{ ...good, data: [...row64.slice(1), null] }], 'element 64 is null'],
  ])('rejects with %s %#', async (code, inputs, words) => {
    const error = await failure(() => payloadFromValue({ inputs }, digits));
    expect([error.code, error.exitCode]).toEqual([code, 65]);
    expect(error.message).toContain(words);
    expect(error.hint).toBeTruthy();
  });

  const named = { ...digits, outputs: [input('class', 'int32', []), input('confidence', 'float32', [])] };
  it('selects the requested outputs once each, or all when none is named', () => {
    const wanted = (outputs?: unknown) => payloadFromOip({ inputs: [good], outputs }, named).wanted;
    expect(wanted()).toBeUndefined();
    expect(wanted([])).toBeUndefined();
    const twice = [{ name: 'class' }, { name: 'class', parameters: { binary_data: false } }];
    expect(wanted(twice)).toEqual(['class']);
    const chunks = payloadsFromValue(
      { inputs: [{ ...entry, data: [...row64, ...row64] }], outputs: [{ name: 'confidence' }] },
      named,
      { chunkRows: 1 },
    );
    expect(chunks.map((chunk) => chunk.wanted)).toEqual([['confidence'], ['confidence']]);
    // Also for the library's own call, without row numbers.
    const whole = payloadFromValue({ inputs: [good], outputs: [{ name: 'confidence' }] }, named);
    expect(Object.keys(whole).sort()).toEqual(['rows', 'tensors', 'wanted']);
    expect(whole.wanted).toEqual(['confidence']);
  });

  it.each([
    [
      'INPUT_NAMES',
      [{ name: 'clas' }],
      "outputs[0]: 'clas' is not an output of model digits; it gives 'class', 'confidence'",
    ],
    ['INPUT_OIP', 'class', 'outputs: text found'],
    ['INPUT_OIP', [{ name: 'class' }, 'confidence'], 'outputs[1]: text found'],
    ['INPUT_OIP', [{ name: 7 }], 'outputs[0]: an object without a name'],
  ])('rejects requested outputs that do not exist, %s %#', async (code, outputs, words) => {
    const error = await failure(() => payloadFromValue({ inputs: [good], outputs }, named));
    expect([error.code, error.exitCode]).toEqual([code, 65]);
    expect(error.message).toContain(words);
  });
});

describe('invalid values', () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  it.each([
    [
      'short row',
      digits,
      row64.slice(1),
      'INPUT_SHAPE',
      "63 numbers found; input 'pixels' of model digits takes 64",
    ],
    ['short third row', digits, [row64, row64, row64.slice(1)], 'INPUT_SHAPE', 'row 3: 63 numbers'],
    ['short first row', digits, [[1, 2], row64], 'INPUT_SHAPE', 'row 1: 2 numbers'],
    [
      'ragged',
      square,
      [
        [1, 2, 3],
        [4, 5],
      ],
      'INPUT_RAGGED',
      'ragged',
    ],
    ['list in a flat row', square, [1, 2, 3, 4, 5, [6]], 'INPUT_RAGGED', 'ragged'],
    ['too many levels', digits, [[[1]]], 'INPUT_SHAPE', '1 x 1 x 1'],
    ['empty', digits, [], 'INPUT_EMPTY', 'no rows'],
    ['empty column', digits, { pixels: [] }, 'INPUT_SHAPE', 'an empty list'],
    ['text', digits, 'abc', 'INPUT_SHAPE', 'text found'],
    ['null', digits, null, 'INPUT_SHAPE', 'null found'],
    ['null element', digits, [...row64.slice(1), null], 'INPUT_VALUE', 'element 64 is null'],
    [
      'NaN in a typed array',
      digits,
      new Float32Array(64).fill(Number.NaN),
      'INPUT_VALUE',
      'element 1 is NaN',
    ],
    ['missing input', table, { age: 3, nane: 'x' }, 'INPUT_NAMES', "no 'name' found"],
    ['extra input', digits, { pixels: row64, label: 2 }, 'INPUT_NAMES', "'label' is not an input"],
    ['list for named inputs', table, [1, 2], 'INPUT_NAMES', '2 named inputs'],
    [
      'columns of other lengths',
      table,
      { age: [1, 2, 3], name: ['a', 'b'] },
      'INPUT_SHAPE',
      "'age' holds 3 rows",
    ],
    ['hostile key', digits, JSON.parse('{"__proto__": 1, "pixels": []}'), 'INPUT_KEY', '__proto__'],
    ['constructor', digits, { constructor: 1, pixels: row64 }, 'INPUT_KEY', 'constructor'],
    ['cycle', digits, cyclic, 'INPUT_TOO_DEEP', '64'],
    ['infinite JSON row', jsonModel, [1, { a: [Number.POSITIVE_INFINITY] }], 'INPUT_VALUE', 'row 2'],
    ['deep JSON row', jsonModel, [cyclic], 'INPUT_TOO_DEEP', '64'],
    ['function as JSON', jsonModel, () => 1, 'INPUT_TYPE', 'function'],
    ['typed array as JSON', jsonModel, new Float32Array(2), 'INPUT_TYPE', 'Float32Array'],
    ['hostile JSON', jsonModel, { a: JSON.parse('{"__proto__": 1}') }, 'INPUT_KEY', '__proto__'],
  ])('are rejected: %s', async (_, signature, value, code, words) => {
    const error = await failure(() => payloadFromValue(value, signature));
    expect(error.message).toContain(words);
    expect([error.code, error.exitCode]).toEqual([code, 65]);
    expect(error.hint).toBeTruthy();
  });

  it('do not include unusual input names that the model has', () => {
    const odd = model(input('__proto__', 'float32', [1]), input('constructor', 'float32', [1]));
    const { tensors } = payloadFromValue(JSON.parse('{"__proto__": [1], "constructor": [2]}'), odd);
    expect(
      tensors.map(({ name, data }) => [name, [...new Float32Array(Uint8Array.from(data).buffer)]]),
    ).toEqual([
      ['__proto__', [1]],
      ['constructor', [2]],
    ]);
  });

  it('do not include text for an input that is merely called json', () => {
    const { tensors } = payloadFromValue('hello', model(input('json', 'string', [])));
    expect(tensors).toEqual([{ name: 'json', type: 'string', shape: [], data: encodeStrings(['hello']) }]);
  });

  it('are rejected with the intended name', async () => {
    expect((await failure(() => payloadFromValue({ pixel: row64 }, digits))).hint).toContain(
      "did you mean 'pixels'",
    );
  });
});
