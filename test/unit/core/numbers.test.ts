import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { poissonArrivals, seededRandom } from '../../../src/lib/core/random.js';
import { placeOf, REORDER_ROWS, rowNumbers } from '../../../src/lib/core/row-place.js';
import { parseMoment, writtenDuration } from '../../../src/lib/core/units.js';

describe('seeded random numbers', () => {
  it('are those of mulberry32, the same for the same seed', () => {
    const take = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 3 }, () => random());
    };
    expect(take(1)).toEqual([0.6270739405881613, 0.002735721180215478, 0.5274470399599522]);
    expect(take(2 ** 32 + 1)).toEqual(take(1));
    expect(take(2)).not.toEqual(take(1));
  });

  it('space Poisson arrivals at their rate', () => {
    const mean = () => 1 - 1 / Math.E;
    const every100Ms = [...poissonArrivals(10, 350, mean)];
    expect(every100Ms.map((at) => Math.round(at))).toEqual([100, 200, 300]);
    // Nothing comes at the end itself or later.
    expect([...poissonArrivals(10, every100Ms[2] as number, mean)]).toHaveLength(2);
    const times = [...poissonArrivals(200, 60_000, seededRandom(7))];
    expect(times.length / 60).toBeGreaterThan(190);
    expect(times.length / 60).toBeLessThan(210);
    expect(times.every((at, i) => at > (times[i - 1] ?? 0) && at < 60_000)).toBe(true);
  });
});

describe('encoded row numbers', () => {
  it.each([
    [[3, 4, 5], { firstRow: 3 }],
    [[7], { firstRow: 7 }],
    [[0, 2, 3], { firstRow: 0, steps: [2, 1] }],
    [[1, 2, 4], { firstRow: 1, steps: [1, 2] }],
  ])('of %j are compact', (numbers, place) => {
    expect(placeOf(numbers)).toEqual(place);
    expect(rowNumbers(place, numbers.length)).toEqual(numbers);
  });

  it('decode to the numbers they encode', () => {
    const numbers = fc.uniqueArray(fc.nat({ max: REORDER_ROWS }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(numbers, (rows) => {
        const sorted = [...rows].sort((a, b) => a - b);
        expect(rowNumbers(placeOf(sorted), sorted.length)).toEqual(sorted);
      }),
    );
  });
});

describe('a written duration', () => {
  it.each([
    [86_400_000, '1d'],
    [7_200_000, '2h'],
    [5_400_000, '90m'],
    [90_000, '90s'],
    [1500, '1500ms'],
    [1000, '1s'],
  ])('of %d ms is %s', (ms, text) => {
    expect(writtenDuration(ms)).toBe(text);
  });
});

describe('a point in time', () => {
  it.each([
    ['2027-01-31T22:00Z', '2027-01-31T22:00:00.000Z'],
    [' 2027-01-31 22:00:30z ', '2027-01-31T22:00:30.000Z'],
    ['2027-01-31T22:00:30.5+01:00', '2027-01-31T21:00:30.500Z'],
    ['2027-01-31T22:00-0730', '2027-02-01T05:30:00.000Z'],
    ['2028-02-29T00:00Z', '2028-02-29T00:00:00.000Z'],
  ])('is parsed from %s', (text, iso) => {
    expect(new Date(parseMoment(text)).toISOString()).toBe(iso);
  });

  it("without a zone is in this host's zone", () => {
    expect(parseMoment('2027-06-30T12:34')).toBe(new Date(2027, 5, 30, 12, 34).getTime());
  });

  it.each([
    'soon',
    '2027-01-31',
    '2027-02-29T00:00Z',
    '2027-04-31T00:00Z',
    '2027-13-01T00:00Z',
    '2027-00-10T00:00Z',
    '2027-01-00T00:00Z',
    '2027-01-31T25:00Z',
    'x2027-01-31T22:00Z',
    '2027-01-31T22:00Zx',
    '2027-01-31T22:00+25:00',
    '',
  ])('is rejected as %j', (text) => {
    expect(() => parseMoment(text)).toThrow(
      expect.objectContaining({
        code: 'TIME',
        exitCode: 2,
        message: `'${text}' is not a time`,
        hint: expect.stringContaining('2027-01-31T22:00Z'),
      }),
    );
  });
});
