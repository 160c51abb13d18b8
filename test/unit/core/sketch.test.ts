import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Sketch } from '../../../src/lib/core/sketch.js';

const QUANTILES = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1];

function sketchOf(values: readonly number[]): Sketch {
  const sketch = new Sketch();
  for (const value of values) sketch.add(value);
  return sketch;
}

/** The exact value by nearest rank. */
function exact(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length - 1e-9) - 1)] as number;
}

/** Milliseconds as they come: from a microsecond to eleven days, small ones as likely as large ones. */
const milliseconds = fc.double({ min: -3, max: 9, noNaN: true }).map((exponent) => 10 ** exponent);
const samples = fc.array(milliseconds, { minLength: 1, maxLength: 300 });

describe('a sketch', () => {
  it('estimates every quantile within 1 %', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const sketch = sketchOf(values);
        for (const q of QUANTILES) {
          const right = exact(values, q);
          expect(Math.abs((sketch.quantile(q) as number) - right)).toBeLessThanOrEqual(right * 0.01 + 1e-9);
        }
      }),
    );
  });

  it('has exact count, sum, minimum and maximum', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const sketch = sketchOf(values);
        const sum = values.reduce((all, value) => all + value, 0);
        expect(sketch.count).toBe(values.length);
        expect(Math.abs(sketch.sum - sum)).toBeLessThanOrEqual(sum * 1e-9);
        expect(sketch.min).toBe(Math.min(...values));
        expect(sketch.max).toBe(Math.max(...values));
      }),
    );
  });

  it('merged from several equals the sketch of all values, in any order', () => {
    fc.assert(
      fc.property(samples, samples, samples, (a, b, c) => {
        const merged = sketchOf(a);
        const rest = sketchOf(b);
        rest.merge(sketchOf(c));
        merged.merge(rest);
        const { sum: mergedSum, ...one } = merged.toJSON();
        const { sum, ...all } = sketchOf([...c, ...a, ...b]).toJSON();
        expect(one).toEqual(all);
        expect(Math.abs(mergedSum - sum)).toBeLessThanOrEqual(sum * 1e-9);
      }),
    );
  });

  it('survives any number of JSON round trips', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const json = sketchOf(values).toJSON();
        const back = Sketch.from(JSON.parse(JSON.stringify(json)));
        expect(back.toJSON()).toEqual(json);
        for (const q of QUANTILES) expect(back.quantile(q)).toBe(sketchOf(values).quantile(q));
      }),
    );
  });

  it('counts a value added with a weight that many times', () => {
    fc.assert(
      fc.property(milliseconds, fc.integer({ min: 1, max: 50 }), (value, times) => {
        const once = new Sketch();
        once.add(value, times);
        expect(once.count).toBe(times);
        expect(once.toJSON().b).toEqual(sketchOf(Array(times).fill(value)).toJSON().b);
      }),
    );
  });

  it('counts values up to a bound within 1 % of it', () => {
    fc.assert(
      fc.property(samples, milliseconds, (values, bound) => {
        const counted = sketchOf(values).countUpTo(bound);
        expect(counted).toBeGreaterThanOrEqual(values.filter((value) => value <= bound * 0.98).length);
        expect(counted).toBeLessThanOrEqual(values.filter((value) => value <= bound * 1.02).length);
      }),
    );
  });

  it('has a bounded number of buckets for any input', () => {
    const sketch = new Sketch();
    for (let exponent = -300; exponent <= 300; exponent += 0.001) sketch.add(10 ** exponent);
    expect(sketch.toJSON().b.length / 2).toBeLessThan(1600);
    expect(sketch.quantile(0.001)).toBeLessThanOrEqual(0.00102);
    expect(sketch.quantile(0.999)).toBeGreaterThan(0.98e10);
  });

  it('counts 0 and negative values as 0, and ignores non-numbers', () => {
    const sketch = sketchOf([0, -5, Number.NaN, Number.POSITIVE_INFINITY]);
    sketch.add(3, 0);
    expect([sketch.count, sketch.sum, sketch.min, sketch.max, sketch.quantile(0.5)]).toEqual([2, 0, 0, 0, 0]);
  });

  it('without values has no quantile, before and after JSON', () => {
    const back = Sketch.from(new Sketch().toJSON());
    expect([back.count, back.sum, back.min, back.max, back.quantile(0.5)]).toEqual([
      0,
      0,
      undefined,
      undefined,
      undefined,
    ]);
    back.merge(sketchOf([4]));
    expect(back.min).toBe(4);
  });

  it.each([[null], ['x'], [[]], [{}], [{ n: 1, sum: 1, min: 1, max: 1, b: ['1', 2] }], [{ n: 'a', b: [] }]])(
    'refuses %j',
    (json) => {
      expect(() => Sketch.from(json)).toThrow(TypeError);
    },
  );
});
