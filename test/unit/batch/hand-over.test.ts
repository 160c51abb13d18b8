import { describe, expect, it } from 'vitest';
import { Batcher } from '../../../src/lib/batch/batcher.js';
import { HandOver, isWorthHandingOver, LookClock } from '../../../src/lib/batch/hand-over.js';
import type { MicroBatch, Unit } from '../../../src/lib/batch/planner.js';

const looks = { lookMs: 0.5, permitMs: 2 };
const at = (end: number, deviation = 0) => ({ end, deviation });

describe('a permit to begin', () => {
  it('comes from a look shortly before the expected end, and lasts from when that was sent', () => {
    const decision = new HandOver(looks, at(20));
    expect(decision.tick(0)).toEqual({ at: 18.5 });
    expect(decision.tick(18.5)).toEqual({ look: true });
    expect(decision.looked(18.5, 19)).toEqual({ permit: 20.5, at: 19.5 });
  });

  it('is renewed, ever more rarely if the run goes on', () => {
    const decision = new HandOver(looks, at(20));
    let now = 18.5;
    let made = 0;
    while (now < 10_000) {
      const step = decision.tick(now);
      if (step.look === true) {
        made += 1;
        now = decision.looked(now, now + 0.5).at as number;
      } else now = step.at as number;
    }
    expect(made).toBeGreaterThan(10);
    expect(made).toBeLessThan(60);
  });

  it('is looked for earlier where runs vary', () => {
    expect(new HandOver(looks, at(20, 3)).tick(0)).toEqual({ at: 12.5 });
  });

  it('is given without a time to a runner that asks soon after a look, otherwise after one more', () => {
    const fresh = new HandOver(looks, at(20));
    fresh.tick(18.5);
    fresh.looked(18.5, 19);
    expect(fresh.asks(20.5)).toEqual({ permit: null });
    expect(fresh.tick(21)).toEqual({});
    const late = new HandOver(looks, undefined);
    expect(late.tick(0)).toEqual({});
    expect(late.asks(30)).toEqual({ look: true });
    expect(late.tick(30)).toEqual({});
    expect(late.looked(30, 31)).toEqual({ permit: null });
  });

  it('waits for the look in progress when a runner asks', () => {
    const decision = new HandOver(looks, at(20));
    decision.tick(18.5);
    expect(decision.asks(18.7)).toEqual({});
    expect(decision.looked(18.5, 19)).toEqual({ permit: null });
  });

  it('lasts 2 ms, or three looks of a worker far from its Redis', () => {
    const clock = new LookClock();
    expect(clock.permitMs).toBe(2);
    clock.took(0.5);
    expect(clock.permitMs).toBe(2);
    for (let i = 0; i < 50; i++) clock.took(20);
    expect(clock.permitMs).toBeCloseTo(60, 0);
  });
});

const unit = (order: number, more: Partial<Unit> = {}) => ({
  ...{ lane: 0, priority: 0 as const, order, key: 'm', cap: 4, rows: 4, remaining: 4, enqueuedAt: 0 },
  ...more,
});

describe('a micro-batch that is handed over', () => {
  it('is full, or has work behind it and is due', () => {
    const batch = (reason: MicroBatch<Unit>['reason']) => ({ parts: [], rows: 1, reason });
    expect(isWorthHandingOver(batch('full'), false, false)).toBe(true);
    expect(isWorthHandingOver(batch('retry'), false, false)).toBe(true);
    expect(isWorthHandingOver(batch('idle'), true, false)).toBe(false);
    expect(isWorthHandingOver(batch('idle'), true, true)).toBe(true);
    expect(isWorthHandingOver(batch('idle'), false, true)).toBe(false);
    expect(isWorthHandingOver(batch('urgent'), false, true)).toBe(true);
  });

  it('returns to its place, in order', () => {
    const batcher = new Batcher<ReturnType<typeof unit>>(0);
    const units = [unit(0, { rows: 6, remaining: 6 }), unit(1), unit(2)];
    for (const one of units) batcher.add(one);
    const planned = () => (batcher.next(0) as { batch: MicroBatch<Unit> }).batch;
    const parts = (batch: MicroBatch<Unit>) =>
      batch.parts.map(({ unit: { order }, from, rows }) => [order, from, rows]);
    const first = planned();
    const second = planned();
    expect(parts(second)).toEqual([
      [0, 4, 2],
      [1, 0, 2],
    ]);
    batcher.giveBack(second as never);
    expect(parts(planned())).toEqual(parts(second));
    // Others were planned behind it meanwhile: it comes back as a piece, which goes first.
    batcher.giveBack(first as never);
    expect(parts(planned())).toEqual([[0, 0, 4]]);
    expect(batcher.rowsUpTo(0)).toBe(6);
  });

  it('is outranked by what would go before it, or before some of its rows', () => {
    const batcher = new Batcher<ReturnType<typeof unit>>(0);
    batcher.add(unit(0, { priority: 5, rows: 2, remaining: 2 }));
    batcher.add(unit(1, { rows: 2, remaining: 2 }));
    const { batch } = batcher.next(0) as { batch: MicroBatch<ReturnType<typeof unit>> };
    const outranked = (more: Partial<Unit>) => {
      const other = unit(9, more);
      batcher.add(other);
      const is = batcher.outranks(batch);
      expect(batcher.outranks(batch, () => false)).toBe(false);
      batcher.remove((one) => one === other);
      return is;
    };
    expect(outranked({})).toBe(false);
    expect(outranked({ priority: 3 })).toBe(true);
    expect(outranked({ priority: 3, key: 'other' })).toBe(false);
    expect(outranked({ priority: 9, key: 'other' })).toBe(true);
    expect(outranked({ lane: 1, priority: 9 })).toBe(false);
  });
});
