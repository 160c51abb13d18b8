import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { payloadFromValue } from '../../../src/lib/input/value.js';
import { rowValues, type ValueForm } from '../../../src/lib/model/rows.js';
import { type DataType, encodeStrings, type RowTensor } from '../../../src/lib/model/tensor.js';
import { input, model } from '../input/signatures.js';

function tensorOf(type: DataType, values: ArrayLike<number | bigint>, shape: number[] = []): RowTensor {
  const arrays = {
    float32: Float32Array,
    float64: Float64Array,
    int8: Int8Array,
    uint8: Uint8Array,
    int16: Int16Array,
    uint16: Uint16Array,
    int32: Int32Array,
    uint32: Uint32Array,
    int64: BigInt64Array,
    uint64: BigUint64Array,
    bool: Uint8Array,
    float16: Uint16Array,
  } as unknown as Record<string, { from(list: ArrayLike<number | bigint>): { buffer: ArrayBuffer } }>;
  const { buffer } = (arrays[type] as (typeof arrays)[string]).from(values);
  return { name: 'v', type, shape, data: new Uint8Array(buffer) };
}

const valuesOf = (tensor: RowTensor, rows: number, form: ValueForm = 'json') =>
  rowValues({ rows, tensors: [tensor] }, form).map((row) => (row as { v: unknown }).v);

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;

describe('rowValues', () => {
  it.each<[DataType, (number | bigint)[], unknown[]]>([
    ['float32', [0.1, -1.5, NAN, INF, -INF], [0.1, -1.5, 'NaN', 'Infinity', '-Infinity']],
    ['float64', [0.1, 1e300, NAN, -INF], [0.1, 1e300, 'NaN', '-Infinity']],
    [
      'float16',
      [0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0xfc00, 0x7e00],
      [1, -2, 2 ** -24, 65504, 'Infinity', '-Infinity', 'NaN'],
    ],
    ['int8', [-128, 127], [-128, 127]],
    ['uint8', [0, 255], [0, 255]],
    ['int16', [-32768], [-32768]],
    ['uint16', [65535], [65535]],
    ['int32', [-(2 ** 31)], [-(2 ** 31)]],
    ['uint32', [2 ** 32 - 1], [2 ** 32 - 1]],
    [
      'int64',
      [5n, 2n ** 53n - 1n, 2n ** 53n, -(2n ** 63n)],
      [5, 2 ** 53 - 1, '9007199254740992', `${-(2n ** 63n)}`],
    ],
    ['uint64', [2n ** 64n - 1n, 1n], ['18446744073709551615', 1]],
    ['bool', [0, 1, 2], [false, true, true]],
  ])('converts %s to JSON', (type, raw, expected) => {
    expect(valuesOf(tensorOf(type, raw), raw.length)).toEqual(expected);
  });

  it.each<[DataType, (number | bigint)[], unknown[]]>([
    ['float32', [0.1, -0, NAN, INF, -INF], [0.1, -0, NAN, INF, -INF]],
    ['float64', [1e300, NAN, -INF], [1e300, NAN, -INF]],
    ['float16', [0x3c00, 0x7c00, 0x7e00], [1, INF, NAN]],
    ['int64', [2n ** 53n - 1n, 2n ** 53n, -(2n ** 63n)], [2 ** 53 - 1, 2n ** 53n, -(2n ** 63n)]],
    ['uint64', [2n ** 64n - 1n, 1n], [2n ** 64n - 1n, 1]],
  ])('gives programs the exact values of %s', (type, raw, expected) => {
    expect(valuesOf(tensorOf(type, raw), raw.length, 'exact')).toEqual(expected);
  });

  const numeric = ['float32', 'float64', 'float16', 'int64', 'uint64'] as const;
  it.each(numeric.flatMap((type) => [[type, 'json'] as const, [type, 'exact'] as const]))(
    'for %s in the form %s can be submitted again, bit for bit',
    (type, form) => {
      const raw: Record<(typeof numeric)[number], (number | bigint)[]> = {
        float32: [0.1, NAN, INF, -INF, 3.4e38],
        float64: [0.1, NAN, INF, -INF, 1e308],
        float16: [0x3c00, 0x7e00, 0x7c00, 0xfc00, 0x7bff],
        int64: [5n, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n, 0n],
        uint64: [5n, 2n ** 53n, 2n ** 64n - 1n, 0n, 1n],
      };
      const tensor = tensorOf(type, raw[type], [5]);
      const [row] = rowValues({ rows: 1, tensors: [tensor] }, form);
      const sent = form === 'json' ? (JSON.parse(JSON.stringify(row)) as unknown) : row;
      const again = payloadFromValue(sent, model(input('v', type, [5])));
      expect(Buffer.compare(again.tensors[0]?.data as Uint8Array, tensor.data)).toBe(0);
    },
  );

  it('prints a float32 as a short decimal that parses to the same float32', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const shown = valuesOf(tensorOf('float32', [value]), 1)[0] as number;
        // By value: JSON has no -0.
        expect(Math.fround(shown) === value).toBe(true);
        expect(String(shown).length).toBeLessThanOrEqual(String(value).length);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: -99_999, max: 99_999 }), (n) => {
        expect(valuesOf(tensorOf('float32', [n / 1000]), 1)).toEqual([n / 1000]);
      }),
    );
  });

  it('nests by shape, with plain scalars', () => {
    const x = tensorOf('int8', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2, 3]);
    expect(valuesOf(x, 2)).toEqual([
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      [
        [7, 8, 9],
        [10, 11, 12],
      ],
    ]);
    expect(valuesOf(tensorOf('int8', [7, 8]), 2)).toEqual([7, 8]);
  });

  it('gives every row the shared value and its own strings, at any memory offset', () => {
    const text = encodeStrings(['a', 'ß€']);
    const memory = new Uint8Array(text.length + 3);
    memory.set(text, 3);
    const rows = rowValues(
      {
        rows: 2,
        tensors: [
          { name: 'text', type: 'string', shape: [], data: memory.subarray(3) },
          { ...tensorOf('int64', [9n]), name: 'rate', shared: true },
        ],
      },
      'json',
    );
    expect(rows).toEqual([
      { text: 'a', rate: 9 },
      { text: 'ß€', rate: 9 },
    ]);
  });

  it('gives every row its own shape, with none and scalars included', () => {
    const text = encodeStrings(['a', 'b', 'c']);
    const rows = rowValues(
      {
        rows: 3,
        tensors: [
          { ...tensorOf('int8', [1, 2, 3, 4, 5]), shapes: [[2, 2], [0], []] },
          { name: 'text', type: 'string', shape: [], shapes: [[0], [2], [1, 1]], data: text },
        ],
      },
      'json',
    );
    expect(rows).toEqual([
      {
        v: [
          [1, 2],
          [3, 4],
        ],
        text: [],
      },
      { v: [], text: ['a', 'b'] },
      { v: 5, text: [['c']] },
    ]);
  });

  it("uses a handler's answer as the row itself, but not a tensor merely called json", () => {
    const data = encodeStrings(['{"a":[1,null]}', '"text"']);
    const named: RowTensor = { name: 'json', type: 'string', shape: [], data };
    const answer: RowTensor = { ...named, role: 'json' };
    expect(rowValues({ rows: 2, tensors: [answer] }, 'json')).toEqual([{ a: [1, null] }, 'text']);
    expect(rowValues({ rows: 2, tensors: [named] }, 'json')).toEqual([
      { json: '{"a":[1,null]}' },
      { json: '"text"' },
    ]);
  });

  it('keeps a tensor of any name', () => {
    const names = ['__proto__', 'constructor', 'toString', 'a:0', ''];
    const tensors = names.map((name, i) => ({ ...tensorOf('int8', [i]), name }));
    const [row] = rowValues({ rows: 1, tensors }, 'json');
    expect(JSON.stringify(row)).toBe('{"__proto__":0,"constructor":1,"toString":2,"a:0":3,"":4}');
  });
});
