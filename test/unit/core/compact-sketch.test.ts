import { describe, expect, it } from 'vitest';
import { COMPACT_BUCKETS, CompactSketch } from '../../../src/lib/core/compact-sketch.js';
import { Sketch } from '../../../src/lib/core/sketch.js';

const sketchOf = (...values: number[]): CompactSketch => {
  const sketch = new Sketch();
  for (const value of values) sketch.add(value);
  return CompactSketch.of(sketch);
};

/** `count` values whose largest is `factor` times the smallest, evenly on a log scale. */
const spread = (from: number, factor: number, count = 1000): number[] =>
  Array.from({ length: count }, (_, i) => from * factor ** (i / (count - 1)));

const errorOf = (sketch: CompactSketch, values: readonly number[], q: number): number => {
  const exact = values[Math.ceil(q * values.length) - 1] as number;
  return Math.abs((sketch.quantile(q) as number) - exact) / exact;
};

describe('a compact sketch', () => {
  it.each([
    [2.1, 0.01],
    [4.7, 0.02],
    [22, 0.04],
    [500, 0.08],
    [250_000, 0.16],
  ])('of values within a factor of %d is within the documented error', (factor, error) => {
    for (const from of [0.002, 0.5, 40]) {
      const values = spread(from, factor);
      const sketch = sketchOf(...values);
      for (const q of [0.05, 0.5, 0.95, 0.99]) {
        expect(errorOf(sketch, values, q), `${from} ${q}`).toBeLessThan(error + 0.002);
      }
      expect(sketch.max).toBeCloseTo(values.at(-1) as number);
      expect(sketch.quantile(1)).toBe(sketch.max);
    }
  });

  it('has no quantile and no maximum without values', () => {
    expect([sketchOf().quantile(0.5), sketchOf().max, sketchOf().count]).toEqual([undefined, undefined, 0]);
  });

  it('of one value knows it to 1 %', () => {
    expect(sketchOf(40).quantile(0.5)).toBe(40);
  });

  it('is the same after being encoded and decoded, and stays small', () => {
    for (const values of [[3], spread(0.001, 1e10, 5000), spread(5, 30), [0, 0, 7]]) {
      const sketch = sketchOf(...values);
      const text = sketch.encode();
      const again = CompactSketch.decode(text);
      expect(again.count).toBe(values.length);
      for (const q of [0.01, 0.5, 0.95])
        expect(again.quantile(q)).toBeCloseTo(sketch.quantile(q) as number, 6);
      expect(again.encode()).toBe(text);
      expect(text.length).toBeLessThan(120);
    }
  });

  it('stays small even with huge counts in every bucket', () => {
    const sketch = new Sketch();
    for (const value of spread(0.001, 1e12, 2000)) sketch.add(value, 1e9);
    expect(CompactSketch.of(sketch).encode().length).toBeLessThan(COMPACT_BUCKETS * 8 + 4);
  });

  it('added to another is that of all values, whatever their levels and their order', () => {
    const [near, far] = [spread(10, 1.5, 400), spread(0.1, 5000, 600)];
    const all = [...near, ...far].sort((a, b) => a - b);
    for (const [first, second] of [
      [near, far],
      [far, near],
    ] as const) {
      const sum = sketchOf(...first);
      sum.merge(sketchOf(...second));
      expect(sum.count).toBe(1000);
      expect(sum.max).toBeCloseTo(all.at(-1) as number);
      for (const q of [0.05, 0.5, 0.95]) expect(errorOf(sum, all, q)).toBeLessThan(0.17);
    }
  });

  it.each(['', 'x', '5/', '5/%%', '1/AAAA/AAAA', 'NaN/AAIE'])('refuses the text %j', (text) => {
    expect(() => {
      const sketch = CompactSketch.decode(text);
      // Some damage is only visible in what it says.
      if (sketch.count === 0) throw new TypeError('empty');
    }).toThrow(TypeError);
  });
});
