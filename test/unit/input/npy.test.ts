import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readInput } from '../../../src/lib/input/read.js';
import type { DataType } from '../../../src/lib/model/tensor.js';
import {
  digits,
  failure,
  floats,
  input,
  jsonModel,
  model,
  npy,
  payloads,
  readAll,
  square,
  stream,
  table,
} from './signatures.js';

const six = Float32Array.of(1, 2, 3, 4, 5, 6);
const bytes = (array: ArrayBufferView) =>
  new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);

describe('.npy', () => {
  it.each([1, 2, 3])('version %i is read with any chunk boundary', async (version) => {
    for (const cut of [1, 7, 65_536]) {
      const payload = await readAll(
        npy('<f4', [2, 2, 3], bytes(Float32Array.of(...six, ...six)), false, version),
        square,
        {},
        cut,
      );
      expect([payload.rows, floats(payload)]).toEqual([2, [...six, ...six]]);
    }
  });

  it.each<[string, number[], ArrayBufferView]>([
    ['<f8', [1, 2, 3], Float64Array.from(six)],
    ['<i8', [1, 2, 3], BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n)],
    ['<u8', [6], BigUint64Array.of(1n, 2n, 3n, 4n, 5n, 6n)],
    ['|i1', [2, 3], Int8Array.from(six)],
    ['|u1', [1, 6], Uint8Array.from(six)],
    ['<i2', [2, 3], Int16Array.from(six)],
    ['<u2', [2, 3], Uint16Array.from(six)],
    ['<u4', [2, 3], Uint32Array.from(six)],
    ['<i4', [2, 3], Int32Array.from(six)],
    ['<f2', [2, 3], Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600)],
    ['>f4', [2, 3], Buffer.from(bytes(six)).swap32()],
    ['>i2', [2, 3], Buffer.from(bytes(Int16Array.from(six))).swap16()],
    ['>f8', [2, 3], Buffer.from(bytes(Float64Array.from(six))).swap64()],
  ])('%s of shape %j is converted to float32', async (descr, shape, data) => {
    const payload = await readAll(npy(descr, shape, bytes(data)), square);
    expect([payload.rows, floats(payload)]).toEqual([1, [...six]]);
  });

  it('Fortran order is transposed', async () => {
    const payload = await readAll(npy('<f4', [2, 3], bytes(Float32Array.of(1, 4, 2, 5, 3, 6)), true), square);
    expect(floats(payload)).toEqual([...six]);
    const error = await failure(() =>
      readAll(npy('<f4', [2, 3], bytes(six), true), square, { maxBytes: 23 }),
    );
    expect(error.code).toBe('INPUT_TOO_LARGE');
  });

  it('rows are the same with any chunk size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -128, max: 127 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 99 }),
        async (values, chunkRows, cut) => {
          const signature = model(input('x', 'int8', [1]));
          const payload = await readAll(
            npy('|i1', [values.length, 1], bytes(Int8Array.from(values))),
            signature,
            { chunkRows },
            cut,
          );
          expect([...new Int8Array(Uint8Array.from(payload.tensors[0]?.data ?? []).buffer)]).toEqual(values);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('tells one row from many, and how many', async () => {
    const open = (shape: number[]) =>
      readInput({ stdin: stream(npy('|u1', shape, new Uint8Array(shape.reduce((a, b) => a * b)))) }, digits, {
        chunkRows: 4,
      });
    expect(await open([64])).toMatchObject({ kind: 'one' });
    expect(await open([1, 64])).toMatchObject({ kind: 'one' });
    const many = await open([10, 64]);
    expect(many).toMatchObject({ kind: 'many', rows: 10 });
    expect((await payloads(many)).map((payload) => payload.rows)).toEqual([4, 4, 2]);
  });

  it('keeps bits of the same type, and converts wider types to float16', async () => {
    const half = model(input('x', 'float16', [2]));
    const same = await readAll(npy('<f2', [2], bytes(Uint16Array.of(1, 0x3c00))), half);
    const wide = await readAll(npy('<f4', [2], bytes(Float32Array.of(2 ** -24, 1))), half);
    const whole = await readAll(npy('<u2', [2], bytes(Uint16Array.of(0, 1))), half);
    expect(same.tensors[0]?.data).toEqual(wide.tensors[0]?.data);
    expect([...(whole.tensors[0]?.data ?? [])]).toEqual([0, 0, 0, 0x3c]);
  });

  const f4 = (shape: number[], ...values: number[]) => npy('<f4', shape, bytes(Float32Array.from(values)));
  it.each<[string, Buffer, string, string]>([
    ['shape', f4([2, 2], 1, 2, 3, 4), 'INPUT_SHAPE', 'shape (2, 2)'],
    ['empty', f4([0, 2, 3]), 'INPUT_EMPTY', '(0, 2, 3)'],
    ['NaN', f4([2, 2, 3], ...six, 1, 2, Number.NaN, 4, 5, 6), 'INPUT_VALUE', 'row 2: element 3 is NaN'],
    [
      'half infinity',
      npy('<f2', [2, 3], bytes(Uint16Array.of(0, 0, 0, 0, 0, 0x7c00))),
      'INPUT_VALUE',
      'element 6 is infinite',
    ],
    ['cut short', f4([2, 2, 3], ...six, 1), 'INPUT_NPY', 'ends in row 2 of 2'],
    ['too long', f4([2, 3], ...six, 1), 'INPUT_NPY', 'goes on after'],
    [
      'records',
      Buffer.from(
        f4([2, 3], ...six)
          .toString('latin1')
          .replace("'<f4'", "[('a',"),
        'latin1',
      ),
      'INPUT_NPY',
      'records',
    ],
    ['text dtype', npy('<U4', [6], new Uint8Array(96)), 'INPUT_NPY', '<U4'],
    ['objects', npy('|O8', [6], new Uint8Array(48)), 'INPUT_NPY', 'dtype'],
    ['version', npy('<f4', [2, 3], bytes(six), false, 9), 'INPUT_NPY', 'version 9'],
    ['cut header', f4([2, 3]).subarray(0, 40), 'INPUT_NPY', 'inside its header'],
  ])('refuses %s', async (_, file, code, words) => {
    const error = await failure(() => readAll(file, square));
    expect(error.message).toContain(words);
    expect([error.code, error.exitCode]).toEqual([code, 65]);
    expect(error.hint).toBeTruthy();
  });

  it('is refused for models without array input, as are other bytes named npy', async () => {
    const file = f4([2, 3], ...six);
    for (const signature of [table, jsonModel, model(input('t', 'string', [6]))]) {
      expect((await failure(() => readAll(file, signature))).code).toBe('INPUT_NPY');
    }
    expect((await failure(() => readAll('[1,2,3,4,5,6]', square, { format: 'npy' }))).code).toBe('INPUT_NPY');
  });

  it.each<[string, DataType, ArrayBufferView, string]>([
    ['<f8', 'int32', Float64Array.of(1.5), 'not a whole number'],
    ['<i8', 'float32', BigInt64Array.of(2n ** 60n), 'beyond 2^53'],
    ['<i2', 'uint8', Int16Array.of(256), 'outside 0..255'],
    ['|u1', 'bool', Uint8Array.of(2), 'other than 0 and 1'],
  ])('%s is refused for %s', async (descr, type, data, words) => {
    expect(
      (await failure(() => readAll(npy(descr, [1], bytes(data)), model(input('x', type, [1]))))).message,
    ).toContain(words);
  });
});
