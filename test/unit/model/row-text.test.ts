import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rowPieces } from '../../../src/lib/model/row-text.js';
import { rowValues } from '../../../src/lib/model/rows.js';
import { encodeStrings, type Payload, type RowTensor } from '../../../src/lib/model/tensor.js';

const floats = (name: string, shape: number[], count: number, more: Partial<RowTensor> = {}): RowTensor => {
  const values = Float32Array.from({ length: count }, (_, i) => (i % 13 === 0 ? Number.NaN : i / 7));
  return { name, type: 'float32', shape, data: new Uint8Array(values.buffer), ...more };
};

/** The rows as the pieces have them, and how many pieces there were. */
const rowsOf = (payload: Payload) => {
  const rows: string[] = [];
  let [text, pieces, longest] = ['', 0, 0];
  for (const piece of rowPieces(payload)) {
    text += piece.text;
    pieces += 1;
    longest = Math.max(longest, piece.text.length);
    if (!piece.ends) continue;
    rows.push(text);
    text = '';
  }
  expect(text).toBe('');
  return { rows, pieces, longest };
};

const expectSame = (payload: Payload) => {
  const found = rowsOf(payload);
  expect(found.rows).toEqual(rowValues(payload, 'json').map((value) => JSON.stringify(value)));
  return found;
};

describe('the text of rows in pieces', () => {
  it.each([
    ['no row', { rows: 0, tensors: [floats('y', [3], 0)] }],
    ['small rows', { rows: 3, tensors: [floats('y', [2, 2], 12), floats('z', [], 3)] }],
    ['many small rows', { rows: 100_000, tensors: [floats('y', [2], 200_000)] }],
    [
      'a shared tensor',
      { rows: 300, tensors: [floats('y', [1], 300), floats('s', [500], 500, { shared: true })] },
    ],
    [
      'rows of their own shapes',
      {
        rows: 400,
        tensors: [
          floats('y', [], 400 * 399 * 2, {
            shapes: Array.from({ length: 400 }, (_, i) => [i * 2, 2]),
          }),
        ],
      },
    ],
    [
      'texts',
      {
        rows: 3000,
        tensors: [
          {
            name: 't',
            type: 'string',
            shape: [2],
            data: encodeStrings(Array.from({ length: 6000 }, (_, i) => `"é${'x'.repeat(i % 500)}`)),
          },
        ],
      },
    ],
    [
      'answers of a handler',
      {
        rows: 2,
        tensors: [
          {
            name: 'json',
            type: 'string',
            shape: [],
            role: 'json',
            data: encodeStrings(['{"a":[1]}', '"b"']),
          },
        ],
      },
    ],
  ] satisfies [string, Payload][])('is that of the values: %s', (_, payload) => {
    expectSame(payload);
  });

  it.each([
    ['one long axis', [300_000]],
    ['a long first axis', [150_000, 2]],
    ['a long second axis', [2, 150_000]],
    ['three axes', [3, 300, 300]],
    ['an axis of one', [1, 1, 200_000]],
    ['no elements', [200_000, 0]],
  ])('has no long piece in a row that is large: %s', (_, shape) => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    // Beside it, so that the row is large whatever this shape is.
    const tensors = [floats('y', shape, count), floats('__proto__', [70_000], 70_000)];
    const { pieces, longest } = expectSame({ rows: 1, tensors });
    expect(pieces).toBeGreaterThan(4);
    expect(longest).toBeLessThan(65_536 * 25);
  });

  it('is that of the values for any shape', () => {
    const dims = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), dims, (rows, shape) => {
        const count = shape.reduce((product, dim) => product * dim, rows);
        fc.pre(count <= 500_000);
        expectSame({ rows, tensors: [floats('y', shape, count)] });
      }),
      { numRuns: 30 },
    );
  });
});
