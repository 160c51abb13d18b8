import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batcher, type MutableUnit } from '../../../src/lib/batch/batcher.js';
import { bisect, byUrgency, type MicroBatch, singleRows } from '../../../src/lib/batch/planner.js';
import { unit, units } from './units.js';

type Batch = MicroBatch<MutableUnit>;

function take(batcher: Batcher<MutableUnit>, now = 0): Batch {
  const next = batcher.next(now);
  if (next === undefined || !('batch' in next)) throw new Error('expected a batch');
  return next.batch;
}

const rowNames = (batch: Batch) =>
  batch.parts.flatMap((part) =>
    Array.from({ length: part.rows }, (_, i) => `${part.unit.order}/${part.from + i}`),
  );

/** The parts of a failed batch. */
const PIECES = {
  halve: bisect<MutableUnit>,
  isolate: singleRows<MutableUnit>,
  again: (batch: Batch) => [batch],
};

describe('Batcher', () => {
  it('hands out every row exactly once, and once more for each failed batch it was in', () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom('add', 'run', 'run', 'halve', 'isolate', 'again', 'remove'),
        pick: fc.nat({ max: 1000 }),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(units, steps, (list, script) => {
        const batcher = new Batcher<MutableUnit>(0);
        const arrivals = list.map((one) => ({ ...one, remaining: one.rows }));
        const added: MutableUnit[] = [];
        const removed = new Set<number>();
        const out = new Map<string, number>();
        // Rows of failed batches, which must be handed out again.
        const failed = new Set<string>();
        const run = (fate: 'ok' | 'halve' | 'isolate' | 'again'): void => {
          if (batcher.isEmpty) {
            expect(batcher.next(0)).toBeUndefined();
            return;
          }
          const batch = take(batcher);
          expect(batch.rows).toBe(rowNames(batch).length);
          for (const row of rowNames(batch)) {
            expect(removed.has(Number(row.split('/')[0]))).toBe(false);
            expect(failed.has(row)).toBe(batch.reason === 'retry');
            if (batch.reason === 'retry') failed.delete(row);
            else out.set(row, (out.get(row) ?? 0) + 1);
          }
          if (fate === 'ok' || (fate === 'halve' && batch.rows < 2)) return;
          for (const row of rowNames(batch)) failed.add(row);
          batcher.retry(...PIECES[fate](batch));
        };
        const remove = (pick: number): void => {
          const victim = added[pick % added.length];
          if (victim === undefined) return;
          expect(batcher.remove((one) => one === victim).length).toBeLessThanOrEqual(1);
          removed.add(victim.order);
          for (const row of [...failed]) if (row.startsWith(`${victim.order}/`)) failed.delete(row);
        };
        for (const { kind, pick } of script) {
          if (kind === 'add') {
            const unit = arrivals[added.length];
            if (unit !== undefined) {
              added.push(unit);
              batcher.add(unit);
            }
          } else if (kind === 'remove') remove(pick);
          else run(kind === 'run' ? 'ok' : kind);
        }
        while (!batcher.isEmpty) run('ok');

        expect(failed.size).toBe(0);
        expect([...out.values()].every((times) => times === 1)).toBe(true);
        for (const { order, rows } of added) {
          if (removed.has(order)) continue;
          for (let row = 0; row < rows; row++) expect(out.get(`${order}/${row}`)).toBe(1);
        }
        expect(batcher.rowsUpTo(9)).toBe(0);
      }),
    );
  });

  it('starts every batch with the most urgent waiting unit', () => {
    fc.assert(
      fc.property(units, (list) => {
        const batcher = new Batcher<MutableUnit>(0);
        const waiting = new Set(list);
        for (const one of list) batcher.add(one);
        while (!batcher.isEmpty) {
          const least = batcher.leastUrgentOfNext();
          const batch = take(batcher);
          for (const one of waiting) {
            expect(byUrgency((batch.parts[0] as { unit: MutableUnit }).unit, one)).toBeLessThanOrEqual(0);
          }
          expect(least).toBe(
            batch.parts
              .map((part) => part.unit)
              .sort(byUrgency)
              .at(-1),
          );
          for (const { unit } of batch.parts) if (unit.remaining === 0) waiting.delete(unit);
        }
        expect(waiting.size).toBe(0);
      }),
    );
  });

  it('runs one half of a failed batch alone and first, unless something more urgent waits', () => {
    const batcher = new Batcher<MutableUnit>(0);
    for (let order = 0; order < 4; order++) batcher.add(unit({ order, priority: 5, cap: 4 }));
    batcher.retry(...bisect(take(batcher)));
    batcher.add(unit({ order: 10, priority: 5, cap: 4 }));
    batcher.add(unit({ order: 11, priority: 9, cap: 4, key: 'urgent' }));
    expect(batcher.rowsUpTo(0)).toBe(6);
    expect(rowNames(take(batcher))).toEqual(['11/0']);
    const halves = [rowNames(take(batcher)), rowNames(take(batcher))];
    expect(halves).toEqual([
      ['0/0', '1/0'],
      ['2/0', '3/0'],
    ]);
    expect(rowNames(take(batcher))).toEqual(['10/0']);
    expect(batcher.isEmpty).toBe(true);
  });

  it('removes a unit from halved batches too, and reports it once', () => {
    const batcher = new Batcher<MutableUnit>(0);
    const big = unit({ order: 0, rows: 6, cap: 4 });
    batcher.add(unit({ order: 1, priority: 9, cap: 4 }));
    batcher.add(big);
    batcher.retry(...bisect(take(batcher)));
    expect(batcher.remove((one) => one === big)).toEqual([big]);
    expect(rowNames(take(batcher))).toEqual(['1/0']);
    expect(batcher.isEmpty).toBe(true);
  });

  it('holds a batch for the window from its oldest row, but not a full or halved batch', () => {
    const batcher = new Batcher<MutableUnit>(20);
    batcher.add(unit({ order: 0, cap: 3, enqueuedAt: 100 }));
    expect(batcher.next(105)).toEqual({ holdMs: 15 });
    batcher.add(unit({ order: 1, cap: 3, enqueuedAt: 90, priority: 9 }));
    expect(batcher.next(105)).toEqual({ holdMs: 5 });
    const late = take(batcher, 110);
    expect(late.reason).toBe('window');
    batcher.retry(...bisect(late));
    expect(take(batcher, 110).reason).toBe('retry');
    expect(take(batcher, 110).reason).toBe('retry');
    batcher.add(unit({ order: 2, rows: 3, cap: 3, enqueuedAt: 200 }));
    expect(take(batcher, 200).reason).toBe('full');
  });

  it('hands out only units that the given filter accepts', () => {
    const batcher = new Batcher<MutableUnit>(0);
    const [urgent, other] = [
      unit({ order: 0, priority: 9, key: 'a' }),
      unit({ order: 1, key: 'b', rows: 2 }),
    ];
    for (const one of [urgent, other]) batcher.add(one);
    const others = (one: MutableUnit) => one.key !== 'a';
    expect(batcher.leastUrgentOfNext(others)).toBe(other);
    const next = batcher.next(0, others) as { batch: Batch };
    expect(rowNames(next.batch)).toEqual(['1/0', '1/1']);
    // A failed part is not handed out where it cannot be run, either.
    batcher.retry(...bisect(next.batch));
    expect(batcher.next(0, (one) => one.key === 'c')).toBeUndefined();
    expect(batcher.leastUrgentOfNext((one) => one.key === 'a')).toBe(urgent);
    expect(rowNames(take(batcher))).toEqual(['0/0']);
    expect([rowNames(take(batcher)), rowNames(take(batcher))]).toEqual([['1/1'], ['1/0']]);
    expect(batcher.isEmpty).toBe(true);
  });

  it('drops an ended unit: its waiting rows, and its parts of failed runs', () => {
    const batcher = new Batcher<MutableUnit>(0);
    const [one, two] = [unit({ order: 0, rows: 3, cap: 2 }), unit({ order: 1, rows: 1, cap: 2 })];
    for (const each of [one, two]) batcher.add(each);
    batcher.drop(one);
    expect(rowNames(take(batcher))).toEqual(['1/0']);
    expect(batcher.isEmpty).toBe(true);
    const again = unit({ order: 2, rows: 2, cap: 2 });
    const cut = new Batcher<MutableUnit>(0);
    cut.add(again);
    cut.retry(...bisect(take(cut)));
    cut.drop(again);
    expect(cut.isEmpty).toBe(true);
  });

  it('counts the remaining rows of a part after a unit was removed', () => {
    const batcher = new Batcher<MutableUnit>(0);
    const list = [0, 1, 2].map((order) => unit({ order, rows: 2, cap: 8, lane: 1 }));
    for (const one of list) batcher.add(one);
    batcher.retry(take(batcher));
    expect([batcher.rowsUpTo(0), batcher.rowsUpTo(1)]).toEqual([0, 6]);
    batcher.remove((one) => one === list[1]);
    expect(batcher.rowsUpTo(1)).toBe(4);
    const piece = take(batcher);
    expect([piece.rows, rowNames(piece)]).toEqual([4, ['0/0', '0/1', '2/0', '2/1']]);
  });

  it('drops a part without rows', () => {
    const batcher = new Batcher<MutableUnit>(0);
    batcher.retry({ parts: [], rows: 0, reason: 'idle' });
    expect([batcher.isEmpty, batcher.next(0)]).toEqual([true, undefined]);
  });

  it('reports why a batch that waited for the window is not full', () => {
    const batcher = new Batcher<MutableUnit>(20);
    batcher.add(unit({ order: 0, lane: 0, enqueuedAt: 100 }));
    batcher.add(unit({ order: 1, lane: 1, enqueuedAt: 100 }));
    expect(take(batcher, 120).reason).toBe('urgent');
    expect(take(batcher, 120).reason).toBe('window');
    const open = new Batcher<MutableUnit>(0);
    open.add(unit());
    expect(take(open).reason).toBe('idle');
  });

  it('counts rows by lane', () => {
    const batcher = new Batcher<MutableUnit>(0);
    batcher.add(unit({ lane: 1, rows: 5, key: 'b' }));
    batcher.add(unit({ lane: 0, rows: 2 }));
    expect([batcher.rowsUpTo(0), batcher.rowsUpTo(1)]).toEqual([2, 7]);
  });
});
