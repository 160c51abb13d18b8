import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchSizer } from '../../../src/lib/batch/sizer.js';

/** Full runs of a model whose run takes `ms(rows)`; answers the size it settles on. */
function settle(sizer: BatchSizer, ms: (rows: number) => number, runs = 150): number {
  for (let i = 0; i < runs; i++) sizer.record(sizer.size, ms(sizer.size));
  return sizer.size;
}

describe('BatchSizer', () => {
  it('starts small', () => {
    expect(new BatchSizer(1024, 20).size).toBe(8);
    expect(new BatchSizer(2, 20).size).toBe(2);
  });

  it.each([
    ['a tiny model: far, to carry the overhead of a batch', (n: number) => 0.01 * n, 256, 1024],
    ['a model that gains from batching', (n: number) => 2 + 0.02 * n, 256, 512],
    ['a model of 1 ms a row, which gains nothing: what little overhead there is', (n: number) => n, 8, 16],
    ['a model of 30 ms a row: one at a time', (n: number) => 30 * n, 1, 1],
    ['a model that takes 200 ms whatever the rows: all of them', () => 200, 512, 1024],
    ['a model of 100 ms and a little for each row', (n: number) => 100 + 0.1 * n, 64, 512],
    ['a model that gets slower by batching', (n: number) => 0.2 * n ** 1.6, 1, 8],
  ])('goes for %s', (_, ms, least, most) => {
    const size = settle(new BatchSizer(1024, 20), ms);
    expect(size).toBeGreaterThanOrEqual(least);
    expect(size).toBeLessThanOrEqual(most);
  });

  it('counts only full runs', () => {
    const sizer = new BatchSizer(1024, 20);
    for (let i = 0; i < 100; i++) sizer.record(3, 1);
    expect(sizer.size).toBe(8);
  });

  it('gives way when the machine slows down, and grows again when it is quick again', () => {
    const sizer = new BatchSizer(1024, 20);
    expect(settle(sizer, (n) => 0.01 * n)).toBeGreaterThanOrEqual(256);
    expect(settle(sizer, (n) => 0.5 * n)).toBeLessThanOrEqual(32);
    expect(settle(sizer, (n) => 0.01 * n, 2000)).toBeGreaterThanOrEqual(256);
  });

  it('never leaves 1..max, and settles within the budget whenever one row does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2000 }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        fc.double({ min: 0.001, max: 10, noNaN: true }),
        (max, fixed, perRow) => {
          const sizer = new BatchSizer(max, 20);
          const ms = (rows: number) => fixed + perRow * rows;
          for (let i = 0; i < 400; i++) {
            expect(sizer.size).toBeGreaterThanOrEqual(1);
            expect(sizer.size).toBeLessThanOrEqual(max);
            sizer.record(sizer.size, ms(sizer.size));
          }
          if (ms(1) <= 20) expect(ms(sizer.size)).toBeLessThanOrEqual(40);
        },
      ),
    );
  });
});
