import { describe, expect, it } from 'vitest';
import { BOUNDS, checkBound, within } from '../../../src/lib/core/bounds.js';
import { parseBytes, parseDuration } from '../../../src/lib/core/units.js';

const HUGE = '9999999999999999';

describe('numeric bounds', () => {
  it.each([
    [5, 5],
    [-3, 1],
    [1e300, 10],
    [Number.POSITIVE_INFINITY, 10],
    [2.5, 3],
    [Number.NaN, undefined],
    ['7', undefined],
    [null, undefined],
  ])('clamp %s to 1..10 as %s', (value, expected) => {
    expect(within(value, { min: 1, max: 10 })).toBe(expected);
  });

  it('are named when an option outside them is rejected', () => {
    expect(checkBound('RETRIES_RANGE', 'x', 10, BOUNDS.retries)).toBe(10);
    for (const bad of [-1, 101, Number.NaN, '5' as unknown as number]) {
      expect(() => checkBound('RETRIES_RANGE', 'x', bad, BOUNDS.retries)).toThrow(
        expect.objectContaining({
          code: 'RETRIES_RANGE',
          exitCode: 2,
          hint: expect.stringContaining('0 to 100'),
        }),
      );
    }
  });

  it('also apply to durations and sizes', () => {
    expect(parseDuration('3650d')).toBe(3650 * 86_400_000);
    expect(parseDuration('24d', 24 * 86_400_000)).toBe(24 * 86_400_000);
    expect(() => parseDuration(HUGE)).toThrow(expect.objectContaining({ code: 'DURATION', exitCode: 2 }));
    expect(() => parseDuration('25d', 24 * 86_400_000)).toThrow(/the longest duration here is 24d/);
    expect(() => parseBytes('9999tb')).toThrow(/largest size is 1024tb/);
  });
});
