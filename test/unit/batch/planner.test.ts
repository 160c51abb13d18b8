import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bisect,
  byUrgency,
  holdFor,
  type MicroBatch,
  planMicroBatch,
  singleRows,
  type Unit,
} from '../../../src/lib/batch/planner.js';
import { queueOf, unit, units } from './units.js';

describe('byUrgency', () => {
  it('orders by lane, then priority (9 first), then arrival', () => {
    const sorted = [
      unit({ lane: 0, priority: 9, order: 7 }),
      unit({ lane: 0, priority: 1, order: 2 }),
      unit({ lane: 0, priority: 1, order: 5 }),
      unit({ lane: 1, priority: 9, order: 1 }),
    ];
    expect([...sorted].reverse().sort(byUrgency)).toEqual(sorted);
  });

  it('is a total order', () => {
    const one = units.map((list) => list[0] as Unit);
    fc.assert(
      fc.property(one, one, one, (a, b, c) => {
        expect(Math.sign(byUrgency(a, b))).toBe(-Math.sign(byUrgency(b, a)) + 0);
        expect(byUrgency(a, a)).toBe(0);
        if (byUrgency(a, b) === 0) {
          expect([a.lane, a.priority, a.order]).toEqual([b.lane, b.priority, b.order]);
        }
        if (byUrgency(a, b) <= 0 && byUrgency(b, c) <= 0) expect(byUrgency(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

describe('planMicroBatch', () => {
  it('returns nothing for an empty list', () => {
    expect(planMicroBatch([])).toBeUndefined();
  });

  it('takes one key and lane up to the cap, starts with the most urgent unit, and skips none of them', () => {
    fc.assert(
      fc.property(units, (list) => {
        const waiting = queueOf(list);
        const batch = planMicroBatch(waiting);
        const first = waiting[0] as Unit;
        if (batch === undefined) throw new Error('units wait and none was planned');
        const { parts } = batch;
        expect(new Set(parts.map((part) => part.unit.key))).toEqual(new Set([first.key]));
        expect(batch.rows).toBe(parts.reduce((sum, part) => sum + part.rows, 0));
        expect(batch.rows).toBeLessThanOrEqual(first.cap);
        expect(parts[0]?.unit).toBe(first);
        const everyLane = waiting.filter((one) => one.key === first.key);
        const sameKey = everyLane.filter((one) => one.lane === first.lane);
        expect(parts.map((part) => part.unit)).toEqual(sameKey.slice(0, parts.length));
        for (const [i, part] of parts.entries()) {
          expect(part.rows).toBeGreaterThan(0);
          expect(part.from).toBe(part.unit.rows - part.unit.remaining);
          if (i < parts.length - 1) expect(part.rows).toBe(part.unit.remaining);
        }
        // Below the cap only when no row of the key is left out, except those of a less urgent lane.
        const available = sameKey.reduce((sum, one) => sum + one.remaining, 0);
        expect(batch.rows).toBe(Math.min(available, first.cap));
        const open = sameKey.length === everyLane.length ? 'idle' : 'urgent';
        expect(batch.reason).toBe(batch.rows === first.cap ? 'full' : open);
      }),
    );
  });

  it('skips units of another shape and continues after them', () => {
    const batch = planMicroBatch([
      unit({ key: 'a', order: 1, cap: 4 }),
      unit({ key: 'b', order: 2, cap: 4 }),
      unit({ key: 'a', order: 3, cap: 4 }),
    ]);
    expect(batch?.parts.map((part) => part.unit.order)).toEqual([1, 3]);
  });

  it('plans one row when the cap is zero', () => {
    expect(planMicroBatch([unit({ cap: 0, rows: 3 })])).toMatchObject({ rows: 1, reason: 'full' });
  });

  it('cuts a job larger than the cap, and continues where it stopped', () => {
    const big = unit({ rows: 10, remaining: 7, cap: 4 });
    expect(planMicroBatch([big])?.parts).toEqual([{ unit: big, from: 3, rows: 4 }]);
  });
});

describe('holdFor', () => {
  it('never holds beyond the window from the oldest row, and never a full batch', () => {
    fc.assert(
      fc.property(
        units,
        fc.integer({ min: 0, max: 500 }),
        fc.integer({ min: 0, max: 2000 }),
        (list, window, now) => {
          const batch = planMicroBatch(queueOf(list));
          if (batch === undefined) throw new Error('nothing planned');
          const hold = holdFor(batch, window, now);
          const oldest = Math.min(...batch.parts.map((part) => part.unit.enqueuedAt));
          expect(hold).toBeGreaterThanOrEqual(0);
          if (batch.reason === 'full' || window === 0) expect(hold).toBe(0);
          else expect(now + hold).toBe(Math.max(now, oldest + window));
        },
      ),
    );
  });
});

/** `unit/row` of every row, in order of the run. */
const rowsOf = (batch: MicroBatch<Unit>): string[] =>
  batch.parts.flatMap((part) =>
    Array.from({ length: part.rows }, (_, i) => `${part.unit.order}/${part.from + i}`),
  );

function planned(list: Unit[]): MicroBatch<Unit> {
  const batch = planMicroBatch([...list].sort(byUrgency));
  if (batch === undefined) throw new Error('nothing planned');
  return batch;
}

describe('bisect', () => {
  it('isolates the bad row within log2 steps, and loses or repeats no row', () => {
    fc.assert(
      fc.property(units, fc.nat(), (list, seed) => {
        let batch = planned(list);
        const culprit = rowsOf(batch)[seed % batch.rows] as string;
        const most = Math.ceil(Math.log2(batch.parts.length)) + Math.ceil(Math.log2(batch.rows));
        let steps = 0;
        while (batch.rows > 1) {
          const halves = bisect(batch);
          expect(halves.flatMap(rowsOf)).toEqual(rowsOf(batch));
          for (const half of halves) {
            expect(half.rows).toBe(rowsOf(half).length);
            expect(half.rows).toBeGreaterThan(0);
            expect(half.reason).toBe('retry');
          }
          batch = halves.find((half) => rowsOf(half).includes(culprit)) as MicroBatch<Unit>;
          steps += 1;
        }
        expect(rowsOf(batch)).toEqual([culprit]);
        expect(steps).toBeLessThanOrEqual(most);
      }),
    );
  });

  it('separates jobs before it separates rows', () => {
    const list = [unit({ order: 0, rows: 6, cap: 8 }), unit({ order: 1, rows: 2, cap: 8 })];
    expect(bisect(planned(list)).map((half) => half.rows)).toEqual([6, 2]);
  });
});

describe('singleRows', () => {
  it('puts every row in its own run, in order', () => {
    fc.assert(
      fc.property(units, (list) => {
        const batch = planned(list);
        const pieces = singleRows(batch);
        expect(pieces.map((piece) => [piece.rows, piece.reason])).toEqual(
          rowsOf(batch).map(() => [1, 'retry']),
        );
        expect(pieces.flatMap(rowsOf)).toEqual(rowsOf(batch));
      }),
    );
  });
});
