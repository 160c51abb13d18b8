import { describe, expect, it } from 'vitest';
import { flowOf } from '../../../src/lib/queue/read/inspector.js';

/** Buckets, newest first, as `[ended, added]`. */
const minute = (...buckets: [number, number][]) =>
  Array.from({ length: 6 }, (_, i) => ({ ended: buckets[i]?.[0] ?? 0, added: buckets[i]?.[1] ?? 0 }));

describe('rate and time to drain', () => {
  it('are measured since work began, arrivals since theirs began', () => {
    expect(flowOf(0, minute([50, 20], [100, 0]), 5000)).toEqual({
      ratePerSecond: 10,
      arrivalsPerSecond: 4,
      etaMs: null,
      growing: false,
    });
  });

  it('use at least a second, so that one job does not count as a thousand a second', () => {
    expect(flowOf(0, minute([1, 1]), 2).ratePerSecond).toBe(1);
  });

  it('give the backlog over the rate where nothing arrives', () => {
    expect(flowOf(600, minute([50, 0], [100, 0]), 5000)).toMatchObject({ etaMs: 60_000, growing: false });
  });

  it('subtract what arrives while it drains', () => {
    expect(flowOf(600, minute([50, 25], [100, 50]), 5000)).toMatchObject({ etaMs: 120_000, growing: false });
  });

  it('have no end where more arrives than completes', () => {
    expect(flowOf(600, minute([50, 75], [100, 150]), 5000)).toMatchObject({ etaMs: null, growing: true });
  });

  it('ignore a bulk submission that is over', () => {
    const after = minute([50, 0], [100, 0], [100, 9000]);
    expect(flowOf(600, after, 5000)).toMatchObject({ growing: false, etaMs: 60_000 });
    expect(flowOf(600, after, 5000).arrivalsPerSecond).toBe(360);
  });

  it('do not count less than a second of backlog as growth', () => {
    expect(flowOf(5, minute([50, 75], [100, 150]), 5000)).toMatchObject({ etaMs: 500, growing: false });
  });

  it('are unknown while nothing completes or nothing waits', () => {
    expect(flowOf(600, minute([0, 10]), 5000)).toMatchObject({ ratePerSecond: null, etaMs: null });
    expect(flowOf(0, minute([10, 0]), 5000)).toMatchObject({ etaMs: null });
    expect(flowOf(0, minute(), 5000).arrivalsPerSecond).toBeNull();
  });
});
