import { describe, expect, it } from 'vitest';
import { random } from '../chaos/random.js';
import { faultsOf, judge, lowTide, type Totals } from './verdict.js';

const TOLERANCE = { share: 0.05, least: 2 };
const MINUTES = 60;

/** One value a minute. */
const run = (value: (minute: number) => number, minutes = MINUTES) =>
  judge({
    name: 'memory',
    unit: 'MB',
    values: Array.from({ length: minutes }, (_, minute) => value(minute)),
    tolerance: TOLERANCE,
  });

describe('a soak figure', () => {
  it('is flat when it does not change', () => {
    expect(run(() => 100)).toEqual({
      name: 'memory',
      unit: 'MB',
      usual: 100,
      growth: 0,
      allowed: 5,
      flat: true,
    });
  });

  it('is not flat when it grows by more than the tolerance in the second half', () => {
    // 29 minutes lie between the first and the last row of the second half.
    const leak = run((minute) => 100 + 0.25 * minute);
    expect(leak.growth).toBeCloseTo(7.25);
    expect(leak.allowed).toBeCloseTo(0.05 * 111.125);
    expect(leak.flat).toBe(false);
    expect(run((minute) => 100 + 0.15 * minute).flat).toBe(true);
  });

  it('may grow in the first half: caches fill', () => {
    expect(run((minute) => Math.min(100, 40 + 2 * minute))).toMatchObject({ growth: 0, flat: true });
    expect(run((minute) => Math.max(100, 40 + 2 * minute)).flat).toBe(false);
  });

  it('may fall', () => {
    expect(run((minute) => 100 - minute).flat).toBe(true);
  });

  it("is judged despite noise, outliers and a garbage collector's sawtooth", () => {
    const chance = random(11);
    const noise = Array.from({ length: MINUTES }, () => 6 * (chance.next() - 0.5));
    const noisy = (leak: number) => run((minute) => 100 + leak * minute + (noise[minute] as number));
    expect(noisy(0).flat).toBe(true);
    expect(noisy(0.3).flat).toBe(false);
    expect(run((minute) => (minute % 11 === 10 ? 1000 : 100)).flat).toBe(true);
    expect(run((minute) => 100 + (minute % 5)).flat).toBe(true);
    expect(run((minute) => 100 + (minute % 5) + 0.4 * minute).flat).toBe(false);
  });

  it('has an absolute tolerance where the relative one would be smaller', () => {
    const small = (slope: number) => run((minute) => 4 + slope * minute);
    expect(small(0.06)).toMatchObject({ allowed: 2, flat: true });
    expect(small(0.08).flat).toBe(false);
  });

  it('is not flat when too little of it could be measured', () => {
    expect(run(() => 100, 6).flat).toBe(false);
    expect(run(() => Number.NaN).flat).toBe(false);
    expect(run((minute) => (minute < 57 ? Number.NaN : 100)).flat).toBe(false);
    expect(run((minute) => (minute % 2 ? Number.NaN : 100)).flat).toBe(true);
  });
});

describe('memory of a garbage-collected process', () => {
  // 50 MB of garbage in four minutes, which is then collected.
  const heap = (leak: number) =>
    Array.from({ length: MINUTES }, (_, minute) => 100 + 12.5 * (minute % 4) + leak * minute);
  const flat = (leak: number) =>
    judge({ name: 'memory', unit: 'MB', values: lowTide(heap(leak)), tolerance: TOLERANCE }).flat;

  it('is judged by its low points', () => {
    expect(flat(0)).toBe(true);
    expect(flat(0.3)).toBe(false);
    expect(lowTide([5, 3, 4, Number.NaN, 9, 9, 9, 9])).toEqual([5, 3, 3, 3, 3, 3, 4, 9]);
    expect(lowTide([Number.NaN, 2])).toEqual([Number.NaN, 2]);
  });
});

describe('a soak verdict', () => {
  const good: Totals = {
    rate: 200,
    reached: 199,
    unexpected: [],
    unused: [],
    replaced: [],
    unended: 0,
    unbounded: [],
  };

  it('has no faults when all went well', () => {
    expect(faultsOf(good)).toEqual([]);
  });

  it.each<[string, Partial<Totals>, RegExp]>([
    ['a rate that was not reached', { reached: 179 }, /^only 179 of 200 jobs\/s/],
    ['an answer that is wrong', { unexpected: ['call: WRONG_ANSWER (3 times)'] }, /WRONG_ANSWER/],
    ['a feature that no job used', { unused: ['retry'] }, /never used: retry/],
    [
      'a process that was replaced',
      { replaced: ['the runner of worker one'] },
      /ended by itself: the runner/,
    ],
    ['jobs that did not end', { unended: 2 }, /^2 jobs did not end/],
    ['a key that nothing bounds', { unbounded: ['{soak:batch}:in:x'] }, /unbounded: /],
  ])('reports %s', (_, change, expected) => {
    expect(faultsOf({ ...good, ...change })).toEqual([expect.stringMatching(expected)]);
  });
});
