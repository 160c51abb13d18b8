import { describe, expect, it } from 'vitest';
import { readInput } from '../../../src/lib/input/read.js';
import {
  failure,
  floats,
  input,
  jsonModel,
  model,
  npy,
  payloads,
  readAll,
  stream,
  table,
} from './signatures.js';

const floatBytes = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const f4 = (shape: number[], ...values: number[]) => npy('<f4', shape, floatBytes(...values));
const open = model(input('frames', 'float32', [null, 2]));

describe('an .npy file is refused with its fix', () => {
  const one = f4([1], 1);
  it.each([
    [
      'for a model with several inputs',
      one,
      table,
      "an .npy file holds one array; model digits takes 2 inputs: 'age', 'name'",
      'write one object a line (NDJSON), or an Open Inference Protocol request',
    ],
    [
      'for a model that takes JSON',
      one,
      jsonModel,
      'model digits takes JSON, not arrays',
      'write one JSON value a line (NDJSON)',
    ],
    [
      'for a model that takes text',
      one,
      model(input('t', 'string', [1])),
      "input 't' of model digits takes text, which .npy files are not read for",
      'write one JSON string a line (NDJSON)',
    ],
    [
      'of another shape than that of rows with an open axis',
      f4([4, 3, 3], ...Array(36).fill(0)),
      open,
      "an array of shape (4, 3, 3) found; input 'frames' of model digits takes ? x 2 numbers a row",
      'reshape it to (rows, ?, 2)',
    ],
    [
      'without elements',
      f4([2, 0]),
      open,
      'the array of shape (2, 0) holds no elements',
      'save one row or more',
    ],
    [
      'in Fortran order that ends early',
      npy('<f4', [2, 2], floatBytes(1, 2, 3), true),
      model(input('x', 'float32', [2])),
      'the .npy file is cut short',
      'copy or save it again',
    ],
  ])('%s', async (_, file, signature, message, hint) => {
    const error = await failure(() => readAll(file, signature));
    expect([error.exitCode, error.message, error.hint]).toEqual([65, message, hint]);
  });

  it('in Fortran order if it exceeds the memory limit, and read at the limit', async () => {
    const file = npy('<f4', [2, 2], floatBytes(1, 3, 2, 4), true);
    const pair = model(input('x', 'float32', [2]));
    const error = await failure(() => readAll(file, pair, { maxBytes: 15 }));
    expect(error.message).toContain('an array in Fortran order is larger than 15 B');
    expect(floats(await readAll(file, pair, { maxBytes: 16 }))).toEqual([1, 2, 3, 4]);
  });

  it('for a value in it, with its place in the right row', async () => {
    const half = (...bits: number[]) =>
      npy('<f2', [bits.length, 1], new Uint8Array(Uint16Array.from(bits).buffer));
    const x = (type: 'float16' | 'float32') => model(input('x', type, [1]));
    for (const type of ['float16', 'float32'] as const) {
      const error = await failure(() => readAll(half(0, 0x3c00, 0x7e00, 0), x(type)));
      expect(error.message).toMatch(/^row 3: element 1 is NaN/);
    }
    const late = await failure(() => readAll(f4([3, 1], 1, 2, Number.NaN), x('float32'), { chunkRows: 2 }));
    expect(late.message).toMatch(/^row 3: element 1 is NaN/);
  });
});

describe('rows of an .npy file', () => {
  it('are split into chunks of at most the maximum size', async () => {
    const rows = model(input('x', 'float32', [2]));
    const file = f4([7, 2], ...Array.from({ length: 14 }, (_, i) => i));
    const sizes = async (chunkBytes: number, chunkRows = 100) => {
      const read = await readInput({ stdin: stream(file) }, rows, { chunkBytes, chunkRows });
      return (await payloads(read)).map((payload) => payload.rows);
    };
    expect(await sizes(24)).toEqual([3, 3, 1]);
    expect(await sizes(23)).toEqual([2, 2, 2, 1]);
    expect(await sizes(1)).toEqual(Array(7).fill(1));
    expect(await sizes(1 << 20)).toEqual([7]);
    expect(await sizes(1 << 20, 4)).toEqual([4, 3]);
  });

  it('in Fortran order are the same as in C order, of any rank', async () => {
    const c = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    // Element (i, j, k) of shape (2, 3, 2) is at i + 2j + 6k.
    const fortran: number[] = [];
    for (let k = 0; k < 2; k++)
      for (let j = 0; j < 3; j++) for (let i = 0; i < 2; i++) fortran.push(c[i * 6 + j * 2 + k] as number);
    const cube = model(input('x', 'float32', [3, 2]));
    const file = npy('<f4', [2, 3, 2], floatBytes(...fortran), true);
    for (const chunkRows of [1, 2]) expect(floats(await readAll(file, cube, { chunkRows }))).toEqual(c);
    // With one axis longer than 1 both orders are the same, and the file is read in pieces.
    const column = npy('<f4', [1, 6], floatBytes(1, 2, 3, 4, 5, 6), true);
    const six = model(input('x', 'float32', [6]));
    expect(floats(await readAll(column, six, { maxBytes: 1 }))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('in Fortran order may have nothing after them', async () => {
    const file = npy('<f4', [2, 2], floatBytes(1, 3, 2, 4, 5), true);
    const error = await failure(() => readAll(file, model(input('x', 'float32', [2]))));
    expect(error.message).toBe('the .npy file goes on after its last row');
  });
});
