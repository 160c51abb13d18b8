import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromArray } from '../../../src/lib/model/from-array.js';
import { fromModel, toBytes, toElements, toModel } from '../../../src/lib/model/layout.js';
import type { TensorSignature } from '../../../src/lib/model/signature.js';
import { elementCount, encodeStrings, type RowTensor } from '../../../src/lib/model/tensor.js';

describe("converting rows to the model's layout and back", () => {
  it('is the identity for any shape, axis and number of rows', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
        fc.nat(4),
        fc.integer({ min: 1, max: 5 }),
        (shape, pick, rows) => {
          const axis = pick % (shape.length + 1);
          const values = Float32Array.from({ length: rows * elementCount(shape) }, (_, i) => i);
          const tensor: RowTensor = { name: 't', type: 'float32', shape, data: toBytes(values) };
          const host = toModel(tensor, rows, axis);
          expect(host.dims[axis]).toBe(rows);
          const back = fromModel('t', host, rows, axis);
          expect(back.shape).toEqual(shape);
          expect(toElements('float32', back.data)).toEqual(values);
        },
      ),
    );
  });

  it('transposes along axis 1, strings too', () => {
    const tensor: RowTensor = {
      name: 't',
      type: 'string',
      shape: [2],
      data: encodeStrings(['a0', 'a1', 'b0', 'b1']),
    };
    expect(toModel(tensor, 2, 1)).toEqual({ type: 'string', dims: [2, 2], data: ['a0', 'b0', 'a1', 'b1'] });
  });

  it('shares memory along axis 0', () => {
    const data = toBytes(new Float32Array(6));
    expect(
      (toModel({ name: 't', type: 'float32', shape: [3], data }, 2, 0).data as Float32Array).buffer,
    ).toBe(data.buffer);
  });

  it('rejects bytes that do not fill the shape, and strings with NUL', () => {
    const data = toBytes(new Float32Array(5));
    expect(() => toModel({ name: 't', type: 'float32', shape: [3], data }, 2, 0)).toThrow('holds 5 elements');
    expect(() =>
      toModel({ name: 't', type: 'string', shape: [], data: encodeStrings(['a\0b']) }, 1, 0),
    ).toThrow('NUL');
  });

  it('names an output with a different number of rows', () => {
    expect(() => fromModel('y', { type: 'float32', dims: [3, 2], data: new Float32Array(6) }, 2, 0)).toThrow(
      'should hold 2 row(s)',
    );
  });
});

describe('fromArray', () => {
  const input = (shape: (number | null)[], type: TensorSignature['type'] = 'float32'): TensorSignature => ({
    name: 'x',
    type,
    shape,
    shared: false,
    batchAxis: 0,
    modelShape: [],
  });

  it.each<[(number | null)[], unknown, number[]]>([
    [
      [2, 2],
      [
        [1, 2],
        [3, 4],
      ],
      [2, 2],
    ],
    [
      [2, 2],
      [1, 2, 3, 4],
      [2, 2],
    ],
    [
      [null, 2],
      [1, 2, 3, 4],
      [2, 2],
    ],
    [[null, null], { shape: [1, 4], data: new Float32Array([1, 2, 3, 4]) }, [1, 4]],
    [[], 5, []],
  ])('with shape %j accepts %j', (shape, value, expected) => {
    expect(fromArray(input(shape), value).shape).toEqual(expected);
  });

  it('converts numbers to int64 and rejects non-numbers', () => {
    expect(toElements('int64', fromArray(input([2], 'int64'), [1, 2n]).data)).toEqual(
      BigInt64Array.of(1n, 2n),
    );
    expect(() => fromArray(input([1]), ['7'])).toThrow("element 1 of input 'x' is text; it takes");
    expect(() => fromArray(input([3]), [1, 2])).toThrow("input 'x' takes 3 numbers, not 2 numbers");
  });

  it.each<[TensorSignature['type'], unknown, string]>([
    ['uint8', [300, 1], 'element 1 of input .x. is outside 0..255'],
    ['uint8', [1, -1], 'element 2 of input .x. is outside 0..255'],
    ['uint8', [1, 1.5], 'not a whole number'],
    ['bool', [2, 0], 'other than 0 and 1'],
    ['int64', [2 ** 53, 0], 'beyond 2.53'],
    ['float32', [1e39, 0], 'too large for float32'],
    ['float32', [Number.NaN, 0], 'is NaN'],
    ['float32', Float32Array.of(0, Number.NaN), 'is NaN'],
    ['float32', [null, 0], 'is null'],
    ['float16', [65520, 0], 'too large for float16'],
    ['float16', Uint16Array.of(0x3800, 0x3c00), 'a Uint16Array may hold bits or numbers'],
    ['string', [5, 'a'], 'is a number'],
    ['string', ['a', 'b\0'], 'NUL'],
  ])('for %s rejects %j', (type, value, words) => {
    expect(() => fromArray(input([2], type), value)).toThrow(new RegExp(words));
  });

  it.each<[(number | null)[], unknown, string]>([
    [[2, 2], [[1, 2], [3]], 'takes 2 x 2 numbers, not a ragged list'],
    [[2, 2], [[1, 2], 3], 'takes 2 x 2 numbers, not a ragged list'],
    [[null, 2], [1, 2, 3], 'takes ? x 2 numbers, not 3 numbers'],
    [[2], { shape: [3], data: [1, 2, 3] }, 'not shape [3] with 3 numbers'],
    [[2], { shape: [2], data: [1, 2, 3] }, 'not shape [2] with 3 numbers'],
    [[2], { a: 1 }, 'not an object'],
    [[2], 'abc', 'not text'],
  ])('with shape %j rejects %j', (shape, value, words) => {
    expect(() => fromArray(input(shape), value)).toThrow(words);
  });

  it('accepts float16 as numbers, and text for values that are not finite', () => {
    const half = (value: unknown) => [
      ...(toElements('float16', fromArray(input([2], 'float16'), value).data) as Uint16Array),
    ];
    expect(half([0.5, 1])).toEqual([0x3800, 0x3c00]);
    expect(half(Float32Array.of(0.5, 1))).toEqual([0x3800, 0x3c00]);
    expect(half(['NaN', '-Infinity'])).toEqual([0x7e00, 0xfc00]);
  });

  it.each<[(number | null)[], unknown, number[]]>([
    [
      [1, 2, 2],
      [
        [1, 2],
        [3, 4],
      ],
      [1, 2, 2],
    ],
    [
      [null, 2, 2],
      [
        [1, 2],
        [3, 4],
      ],
      [1, 2, 2],
    ],
    [
      [null, 4],
      [1, 2, 3, 4],
      [1, 4],
    ],
    [[1, 2], { shape: [2], data: [1, 2] }, [1, 2]],
    [[1, 2], [[1, 2]], [1, 2]],
  ])(
    'for a model of one row per run, shape %j, accepts %j with or without its leading 1',
    (shape, value, expected) => {
      expect(fromArray(input(shape), value, true).shape).toEqual(expected);
    },
  );
});
