import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  concatRows,
  type DataType,
  decodeStrings,
  ELEMENT_BYTES,
  elementCount,
  encodeStrings,
  fromOipName,
  OIP_NAMES,
  type Payload,
  type RowTensor,
  rowOffsets,
  shapeKey,
  sliceRows,
  splitRows,
} from '../../../src/lib/model/tensor.js';
import { bytesOf, payloads } from './payloads.js';

describe('rows of a payload', () => {
  it('are unchanged after being cut anywhere and joined', () => {
    fc.assert(
      fc.property(payloads(), fc.array(fc.nat({ max: 20 }), { maxLength: 4 }), (payload, cuts) => {
        const at = [0, ...cuts.map((cut) => cut % (payload.rows + 1)), payload.rows].sort((a, b) => a - b);
        const parts = at.slice(1).map((to, i) => sliceRows(payload, at[i] as number, to));
        expect(parts.map((part) => part.rows)).toEqual(at.slice(1).map((to, i) => to - (at[i] as number)));
        const joined = concatRows(parts);
        expect(joined.rows).toBe(payload.rows);
        expect(bytesOf(joined)).toEqual(bytesOf(payload));
        if (payload.tensors.some((tensor) => tensor.shapes !== undefined)) return;
        for (const part of parts) expect(shapeKey(part)).toBe(shapeKey(payload));
      }),
    );
  });

  it('are cut without a copy, and shared tensors never', () => {
    const data = Float32Array.from([1, 2, 3, 4, 5, 6]);
    const bytes = new Uint8Array(data.buffer);
    const payload: Payload = {
      rows: 3,
      tensors: [
        { name: 'x', type: 'float32', shape: [2], data: bytes },
        { name: 'rate', type: 'int64', shape: [], shared: true, data: new Uint8Array(8) },
      ],
    };
    const [x, rate] = sliceRows(payload, 1, 2).tensors as [RowTensor, RowTensor];
    expect(x.data.buffer).toBe(bytes.buffer);
    expect([x.data.byteOffset, x.data.byteLength]).toEqual([8, 8]);
    expect(rate).toBe(payload.tensors[1]);
    expect(sliceRows(payload, 0, 3)).toBe(payload);
  });

  it('start at their rowOffsets', () => {
    fc.assert(
      fc.property(payloads(), (payload) => {
        for (const tensor of payload.tensors.filter((one) => one.shared !== true)) {
          const offsets = rowOffsets(tensor, payload.rows);
          expect(offsets).toHaveLength(payload.rows + 1);
          expect([offsets[0], offsets.at(-1)]).toEqual([0, tensor.data.byteLength]);
        }
      }),
    );
  });

  it('of strings have offsets by their text length', () => {
    const data = encodeStrings(['a', '', 'ßß', '€']);
    expect(rowOffsets({ name: 't', type: 'string', shape: [2], data }, 2)).toEqual([0, 9, 24]);
    expect(rowOffsets({ name: 't', type: 'string', shape: [], data }, 4)).toEqual([0, 5, 9, 17, 24]);
  });

  it('cut by counts equal those cut by position', () => {
    fc.assert(
      fc.property(payloads(), fc.nat({ max: 20 }), (payload, seed) => {
        const first = seed % (payload.rows + 1);
        const pieces = splitRows(payload, [first, payload.rows - first]);
        const cut = [sliceRows(payload, 0, first), sliceRows(payload, first, payload.rows)];
        expect(pieces.map(bytesOf)).toEqual(cut.map(bytesOf));
      }),
    );
  });

  it('of different shapes keep their own through join and cut', () => {
    const row = (shape: number[], ...bytes: number[]): Payload => ({
      rows: 1,
      tensors: [{ name: 'x', type: 'uint8', shape, data: Uint8Array.from(bytes) }],
    });
    const parts = [row([2], 1, 2), row([0]), row([1, 1], 3), row([1, 1], 4), row([], 5)];
    const joined = concatRows(parts);
    expect(bytesOf(joined)).toEqual([
      { name: 'x', type: 'uint8', shape: [], shapes: [[2], [0], [1, 1], [1, 1], []], data: '0102030405' },
    ]);
    expect(bytesOf(sliceRows(joined, 2, 4))).toEqual([
      { name: 'x', type: 'uint8', shape: [1, 1], data: '0304' },
    ]);
    expect(parts.map((_, at) => bytesOf(sliceRows(joined, at, at + 1)))).toEqual(parts.map(bytesOf));
  });

  it('with differing shared tensors get their own copy', () => {
    const part = (rows: number, rate: number): Payload => ({
      rows,
      tensors: [{ name: 'rate', type: 'uint8', shape: [], shared: true, data: Uint8Array.of(rate) }],
    });
    expect(bytesOf(concatRows([part(2, 7), part(1, 7)]))).toEqual(bytesOf(part(3, 7)));
    expect(bytesOf(concatRows([part(2, 7), part(1, 8)]))).toEqual([
      { name: 'rate', type: 'uint8', shape: [], data: '070708' },
    ]);
  });

  it('with different tensors cannot be joined', () => {
    const part = (name: string): Payload => ({
      rows: 1,
      tensors: [{ name, type: 'uint8', shape: [], data: Uint8Array.of(1) }],
    });
    expect(() => concatRows([part('a'), part('b')])).toThrow(
      expect.objectContaining({ code: 'OUTPUT_MIXED' }),
    );
  });

  it('cannot be joined when there are none', () => {
    expect(() => concatRows([])).toThrow('concatRows of nothing');
  });
});

describe('shapeKey', () => {
  const x: RowTensor = { name: 'x', type: 'float32', shape: [2], data: new Uint8Array(8) };
  const key = (...tensors: RowTensor[]) => shapeKey({ rows: 1, tensors });

  it('separates everything that must not share a run', () => {
    const shared = { ...x, shared: true };
    const keys = [
      key(x),
      key({ ...x, name: 'y' }),
      key({ ...x, type: 'int32' }),
      key({ ...x, shape: [1, 2] }),
      key({ ...x, shape: [] }),
      key(x, { ...x, name: 'y' }),
      key(shared),
      key({ ...shared, data: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(key({ ...x, data: new Uint8Array(16) })).toBe(key(x));
  });
});

describe('encoded strings', () => {
  it('survive a round trip', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), (values) => {
        expect(decodeStrings(encodeStrings(values))).toEqual(values);
      }),
    );
  });

  it.each([[[1]], [[5, 0, 0, 0, 65]], [[255, 255, 255, 255]]])('are rejected when truncated: %j', (bytes) => {
    expect(() => decodeStrings(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: 'TENSOR_BYTES' }),
    );
  });
});

describe('data types', () => {
  it('have one Open Inference Protocol name each, in both directions', () => {
    const types = Object.keys(ELEMENT_BYTES) as DataType[];
    expect(new Set(Object.values(OIP_NAMES)).size).toBe(types.length);
    for (const type of types) expect(fromOipName(OIP_NAMES[type])).toBe(type);
    expect(fromOipName('FP8')).toBeUndefined();
  });

  it('count elements by shape', () => {
    expect([[], [3], [2, 3], [2, 0, 3]].map(elementCount)).toEqual([1, 3, 6, 0]);
  });
});
