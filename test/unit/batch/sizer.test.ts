import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchSizer } from '../../../src/lib/batch/sizer.js';

/** Full runs of a model whose run takes `ms(rows)`; returns the size it settles on. */
function settle(sizer: BatchSizer, ms: (rows: number) => number, runs = 150): number {
  for (let i = 0; i < runs; i++) sizer.record(sizer.size, ms(sizer.size));
  return sizer.size;
}

/** A sizer after a warm-up of a tiny model: it starts with eight rows. */
const quick = (max: number) =>
  new BatchSizer(max, 20, [
    [1, 0.1],
    [2, 0.1],
    [4, 0.1],
  ]);

describe('BatchSizer', () => {
  it('starts with one row, or with what the warm-up justifies, eight at most', () => {
    const start = (...ms: number[]) =>
      new BatchSizer(
        1024,
        20,
        ms.map((one, at) => [2 ** at, one] as const),
      ).size;
    expect(start()).toBe(1);
    expect(start(0.1)).toBe(1);
    expect(quick(1024).size).toBe(8);
    expect(quick(2).size).toBe(2);
    // Twice the rows must pay, with a millisecond of overhead, and stay within 20 ms.
    expect(start(2, 4, 8)).toBe(4);
    expect(start(10, 20, 40)).toBe(1);
    expect(start(9, 10, 12)).toBe(8);
    expect(start(9, 10, 15)).toBe(4);
    expect(start(12, 16, 24)).toBe(2);
    // Rows that cost nearly nothing share a run that is too long anyway.
    expect(start(200, 205, 210)).toBe(8);
    // A model that gets slower by batching.
    expect(start(2, 6.1, 18.4)).toBe(1);
  });

  it('never starts with a run that exceeds the target by more than a row costs', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 100, noNaN: true }),
        fc.double({ min: 0.001, max: 60, noNaN: true }),
        fc.double({ min: 1, max: 2, noNaN: true }),
        (fixed, perRow, power) => {
          const ms = (rows: number) => fixed + perRow * rows ** power;
          const sizer = new BatchSizer(
            1024,
            20,
            [1, 2, 4].map((rows) => [rows, ms(rows)] as const),
          );
          for (let run = 0; run < 400; run++) {
            // Where a row costs next to nothing, a run of one that is too long allows some more.
            if (ms(1) <= 16) expect(ms(sizer.size)).toBeLessThanOrEqual(20 + ms(1));
            sizer.record(sizer.size, ms(sizer.size));
          }
        },
      ),
    );
  });

  it.each([
    ['a tiny model: far, to carry the overhead of a batch', (n: number) => 0.01 * n, 256, 1024],
    ['a model that gains from batching', (n: number) => 2 + 0.02 * n, 256, 512],
    ['a model of 1 ms a row, which gains nothing: what little overhead there is', (n: number) => n, 8, 16],
    ['a model of 30 ms a row: one at a time', (n: number) => 30 * n, 1, 1],
    ['a model that takes 200 ms whatever the rows: all of them', () => 200, 512, 1024],
    ['a model of 100 ms and a little for each row', (n: number) => 100 + 0.1 * n, 64, 512],
    ['a model that gets slower by batching', (n: number) => 0.2 * n ** 1.6, 1, 8],
  ])('settles on a size for %s', (_, ms, least, most) => {
    const size = settle(new BatchSizer(1024, 20), ms);
    expect(size).toBeGreaterThanOrEqual(least);
    expect(size).toBeLessThanOrEqual(most);
  });

  it('counts only full runs', () => {
    const sizer = quick(1024);
    for (let i = 0; i < 100; i++) sizer.record(3, 1);
    expect(sizer.size).toBe(8);
  });

  it('shrinks when the machine slows down, and grows again when it recovers', () => {
    const sizer = new BatchSizer(1024, 20);
    expect(settle(sizer, (n) => 0.01 * n)).toBeGreaterThanOrEqual(256);
    expect(settle(sizer, (n) => 0.5 * n)).toBeLessThanOrEqual(32);
    expect(settle(sizer, (n) => 0.01 * n, 2000)).toBeGreaterThanOrEqual(256);
  });

  it('stays within 1..max, and settles within the budget whenever a single row fits it', () => {
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

describe('one decision of the sizer', () => {
  /** Three full runs of these times, with 1 ms of overhead each, after which the size is judged once. */
  const judge = (sizer: BatchSizer, ...ms: [number, number, number]): number => {
    for (const one of ms) sizer.record(sizer.size, one, 1);
    return sizer.size;
  };
  const steady = (sizer: BatchSizer, ms: number): number => judge(sizer, ms, ms, ms);

  it('comes after three full runs', () => {
    const sizer = quick(1024);
    sizer.record(8, 1);
    sizer.record(8, 1);
    expect(sizer.size).toBe(8);
    sizer.record(7, 1);
    expect(sizer.size).toBe(8);
    sizer.record(8, 1);
    expect(sizer.size).toBe(16);
    sizer.record(16, 1);
    sizer.record(16, 1);
    expect(sizer.size).toBe(16);
  });

  it.each([
    [10, 16],
    [10.1, 8],
    [20, 8],
    [20.1, 4],
  ])('goes from 8 rows that take %d ms to %d rows', (ms, rows) => {
    expect(steady(quick(1024), ms)).toBe(rows);
  });

  it('weighs the newest run by three tenths in the average', () => {
    expect(judge(quick(1024), 8, 8, 14)).toBe(16);
    expect(judge(quick(1024), 8, 8, 15)).toBe(8);
  });

  it('expects the next doubling to cost what the last one cost', () => {
    const sizer = quick(1024);
    steady(sizer, 6);
    // 6 ms more for 8 rows, so 12 more for 16: 24 ms.
    expect(steady(sizer, 8)).toBe(32);
    const dear = quick(1024);
    steady(dear, 2);
    expect(steady(dear, 3)).toBe(32);
    expect(steady(dear, 5)).toBe(64);
    // 32 rows more cost 7 ms, so 64 more cost 14.
    expect(steady(dear, 8)).toBe(128);
    expect(steady(dear, 14)).toBe(128);
  });

  it('keeps a doubled size only if it carries a tenth more rows per time, overhead included', () => {
    const worth = quick(16);
    expect(steady(worth, 1)).toBe(16);
    // 4 rows a ms before; 16 rows in 3.6 ms are 4.44.
    expect(steady(worth, 2.6)).toBe(16);
    const idle = quick(16);
    steady(idle, 1);
    expect(steady(idle, 2.7)).toBe(8);
  });

  it('retries a size that did not pay after 200 decisions, with new measurements', () => {
    const sizer = quick(16);
    steady(sizer, 1);
    expect(steady(sizer, 10)).toBe(8);
    for (let judged = 3; judged < 200; judged++) expect(steady(sizer, 1)).toBe(8);
    expect(steady(sizer, 1)).toBe(16);
    expect(steady(sizer, 2)).toBe(16);
  });

  it('returns to the larger size, with a longer budget, where halving shortens nothing', () => {
    const free = quick(1024);
    steady(free, 1);
    expect(steady(free, 30)).toBe(8);
    expect(steady(free, 24)).toBe(16);
    // A fifth more than the run that could not be shortened.
    expect(steady(free, 36)).toBe(16);
    expect(steady(free, 50)).toBe(8);
    const shorter = quick(1024);
    steady(shorter, 1);
    steady(shorter, 30);
    expect(steady(shorter, 23.9)).toBe(4);
  });

  it('keeps the size when the next one is out of bounds or was too slow', () => {
    const bounded = quick(12);
    expect(steady(bounded, 1)).toBe(12);
    expect(steady(bounded, 1)).toBe(12);
    const single = quick(1);
    expect(steady(single, 500)).toBe(1);
  });

  it('tells rows and mean time of the sizes that it measured, smallest first', () => {
    const sizer = quick(1024);
    steady(sizer, 1);
    steady(sizer, 2);
    expect(sizer.measured).toEqual([
      [8, 1],
      [16, 2],
    ]);
  });
});
