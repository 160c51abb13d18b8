import { describe, expect, it } from 'vitest';
import { type ReadChunk, RowMerge } from '../../../src/lib/client/row-merge.js';
import { REORDER_ROWS } from '../../../src/lib/core/row-place.js';

const error = { code: 'RUN_FAILED', message: 'no' };

function read(chunks: ReadChunk[], total: number) {
  const merge = new RowMerge();
  return [...chunks.flatMap((chunk) => [...merge.add(chunk)]), ...merge.end(total)];
}

describe('rows merged from chunks', () => {
  it('pass a chunk unchanged when it is next', () => {
    const chunks = [
      { index: 0, rows: 2, place: { firstRow: 0 }, values: ['a', 'b'] },
      { index: 1, rows: 1, place: { firstRow: 2 }, error },
    ];
    expect(read(chunks, 3)).toEqual([
      { index: 0, firstRow: 0, rows: 2, values: ['a', 'b'] },
      { index: 1, firstRow: 2, rows: 1, error },
    ]);
  });

  it('have the error of their failed chunk, in their places', () => {
    const chunks = [
      { index: 0, rows: 3, place: { firstRow: 0, steps: [2, 1] }, values: ['a', 'c', 'd'] },
      { index: 1, rows: 2, place: { firstRow: 1, steps: [3] }, error },
    ];
    expect(read(chunks, 5)).toEqual([
      { index: 0, firstRow: 0, rows: 1, values: ['a'] },
      { index: 1, firstRow: 1, rows: 1, error },
      { index: 0, firstRow: 2, rows: 2, values: ['c', 'd'] },
      { index: 1, firstRow: 4, rows: 1, error },
    ]);
  });

  it('report a chunk whose record has expired, and keep the others in their places', () => {
    const chunks = [
      { index: 0, rows: 0, place: undefined },
      { index: 1, rows: 1, place: { firstRow: 2 }, values: ['c'] },
    ];
    expect(
      read(chunks, 4).map(({ firstRow, rows, values, error }) => [firstRow, rows, values ?? error?.code]),
    ).toEqual([
      [0, 2, 'RESULT_EXPIRED'],
      [2, 1, ['c']],
      [3, 1, 'RESULT_EXPIRED'],
    ]);
  });

  it('do not wait for rows that cannot arrive any more', () => {
    const merge = new RowMerge();
    const rows = 256;
    let held = 0;
    let out = 0;
    expect([...merge.add({ index: 0, rows: 0, place: undefined })]).toEqual([]);
    for (let index = 1; index < 500; index++) {
      const values = Array.from({ length: rows }, () => index);
      for (const piece of merge.add({ index, rows, place: { firstRow: index * rows }, values }))
        out += piece.rows;
      held = Math.max(held, merge.held);
    }
    expect(held).toBeLessThanOrEqual(2 * REORDER_ROWS + 2 * rows);
    for (const piece of merge.end(500 * rows)) out += piece.rows;
    expect(out).toBe(500 * rows);
  });
});
