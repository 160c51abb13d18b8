import fc from 'fast-check';
import type { MutableUnit } from '../../../src/lib/batch/batcher.js';
import { byUrgency } from '../../../src/lib/batch/planner.js';

const CAPS = { a: 1, b: 4, c: 9 } as const;

export function unit(more: Partial<MutableUnit> = {}): MutableUnit {
  const rows = more.rows ?? 1;
  return { lane: 0, priority: 0, order: 0, key: 'a', cap: 8, rows, remaining: rows, enqueuedAt: 0, ...more };
}

/** Units as they arrive: lanes, priorities, three keys (each with its cap) and 1..12 rows. */
export const units: fc.Arbitrary<MutableUnit[]> = fc
  .array(
    fc.record({
      lane: fc.integer({ min: 0, max: 2 }),
      priority: fc.integer({ min: 0, max: 9 }),
      key: fc.constantFrom('a' as const, 'b' as const, 'c' as const),
      rows: fc.integer({ min: 1, max: 12 }),
      done: fc.integer({ min: 0, max: 11 }),
      enqueuedAt: fc.integer({ min: 0, max: 1000 }),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((list) =>
    list.map(({ done, ...one }, order) => ({
      ...one,
      order,
      cap: CAPS[one.key],
      remaining: one.rows - Math.min(done, one.rows - 1),
    })),
  );

/** As the batcher stores them. */
export function queueOf(list: readonly MutableUnit[]): MutableUnit[] {
  return [...list].sort(byUrgency);
}
