import { describe, expect, it } from 'vitest';
import { monotonicClock, systemClock } from '../../../src/lib/core/clock.js';
import { count, percent, plural } from '../../../src/lib/core/counts.js';

it('numbers have thousands separators, and no fractions', () => {
  expect([0, 999, 1000, 50_000, 1_234_567.6].map(count)).toEqual([
    '0',
    '999',
    '1,000',
    '50,000',
    '1,234,568',
  ]);
});

it('one thing is in the singular, any other number in the plural', () => {
  expect([0, 1, 2, 1200].map((value) => plural(value, 'job'))).toEqual([
    '0 jobs',
    '1 job',
    '2 jobs',
    '1,200 jobs',
  ]);
  expect([plural(1, 'reply', 'replies'), plural(3, 'reply', 'replies')]).toEqual(['1 reply', '3 replies']);
});

it('shares are shown as whole percentages', () => {
  expect([0, 0.004, 0.005, 0.8, 1, 1.2].map(percent)).toEqual([
    '0 %',
    '0 %',
    '1 %',
    '80 %',
    '100 %',
    '120 %',
  ]);
});

describe('the clock', () => {
  it('of the system counts from the epoch, the monotonic one never goes back', () => {
    const [before, now] = [Date.now(), systemClock.now()];
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
    const first = monotonicClock.now();
    expect(monotonicClock.now()).toBeGreaterThanOrEqual(first);
    expect(monotonicClock.now()).toBeLessThanOrEqual(performance.now());
  });
});
