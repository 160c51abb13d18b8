import { describe, expect, it } from 'vitest';
import { SteadySum } from '../../../src/lib/metrics/steady-sum.js';

const counts = (value: number) => new Map([['jobs', value]]);
const sumOf = (sums: SteadySum) => new Map(sums.entries()).get('jobs');
const HOUR = 3_600_000;

describe('sums over workers that come and go', () => {
  it('count a new worker from zero, or from its current value', () => {
    const sums = new SteadySum();
    sums.update('old', counts(500), 0, 'now');
    expect(sumOf(sums)).toBe(0);
    sums.update('old', counts(510), 1, 'zero');
    sums.update('new', counts(7), 1, 'zero');
    expect(sumOf(sums)).toBe(17);
  });

  it('keep the counts of a worker that has left', () => {
    const sums = new SteadySum();
    sums.update('a', counts(10), 0, 'zero');
    sums.update('b', counts(5), 1, 'zero');
    expect(sumOf(sums)).toBe(15);
  });

  it('do not count a worker twice after a gap', () => {
    const sums = new SteadySum();
    sums.update('a', counts(10), 0, 'zero');
    sums.forgetOld(HOUR);
    sums.update('a', counts(12), HOUR, 'zero');
    expect(sumOf(sums)).toBe(12);
  });

  it('never fall, even when a worker reports less than before', () => {
    const sums = new SteadySum();
    sums.update('a', counts(10), 0, 'zero');
    sums.update('a', counts(8), 1, 'zero');
    expect(sumOf(sums)).toBe(10);
    sums.update('a', counts(11), 2, 'zero');
    expect(sumOf(sums)).toBe(11);
  });

  it('count a figure that a known worker reports for the first time', () => {
    const sums = new SteadySum();
    sums.update('a', new Map(), 0, 'now');
    sums.update('a', counts(3), 1, 'zero');
    expect(sumOf(sums)).toBe(3);
  });

  it('forget a worker after an hour, which bounds memory', () => {
    const sums = new SteadySum();
    sums.update('a', counts(10), 0, 'zero');
    sums.forgetOld(HOUR + 1);
    sums.update('a', counts(10), HOUR + 1, 'now');
    expect(sumOf(sums)).toBe(10);
  });
});
