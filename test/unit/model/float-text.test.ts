import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { floatsText, nestedFloatsText, shortFloat } from '../../../src/lib/model/float-text.js';

const floatOf = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0] as number;

/** The rule, with the platform's own digits: the first of 7, 8 and 9 that give the same float32 back. */
const shortest = (value: number): number => {
  if (value === 0 || !Number.isFinite(value)) return value;
  for (const digits of [7, 8]) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
};

const jsonOf = (value: number): string =>
  Number.isFinite(value) ? JSON.stringify(shortest(value)) : JSON.stringify(String(value));

const differing = (values: Float32Array): string[] => {
  const texts = floatsText(values).split(',');
  return [...values].flatMap((value, at) =>
    texts[at] === jsonOf(value) && Object.is(shortFloat(value), shortest(value))
      ? []
      : [`${value}: ${texts[at]}, not ${jsonOf(value)}`],
  );
};

describe('float32 as text', () => {
  it('has the shortest digits for every exponent, at its ends and at places between, of both signs', () => {
    const found: number[] = [];
    for (let exponent = 0; exponent < 256; exponent++) {
      for (const fraction of [0, 1, 2, 0x155555, 0x2aaaaa, 0x400000, 0x7ffffe, 0x7fffff]) {
        found.push(floatOf(((exponent << 23) | fraction) >>> 0));
        found.push(floatOf((0x80000000 | (exponent << 23) | fraction) >>> 0));
      }
    }
    expect(differing(Float32Array.from(found))).toEqual([]);
  });

  it('has the shortest digits for any bits', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 0xffffffff }), { minLength: 1, maxLength: 2000 }),
        (all) => {
          expect(differing(Float32Array.from(all, floatOf))).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('has the shortest digits for powers of ten, their neighbours, and numbers of few digits', () => {
    const found: number[] = [];
    for (let power = -45; power <= 38; power++) {
      for (const digits of [1, 1.5, 2, 9.5, 9.999999, 9.9999999, 123.4567, 0.30000001]) {
        const bits = new Uint32Array(Float32Array.of(digits * 10 ** power).buffer)[0] as number;
        for (const near of [bits - 1, bits, bits + 1]) found.push(floatOf(near >>> 0));
      }
    }
    for (let whole = 0; whole < 3000; whole++) found.push(whole, whole / 8, whole / 1000, whole * 65_536);
    expect(differing(Float32Array.from(found))).toEqual([]);
  });

  it('writes zeros, NaN and infinities as JSON can hold them', () => {
    const values = Float32Array.of(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    expect(floatsText(values)).toBe('0,0,"NaN","Infinity","-Infinity"');
    expect(floatsText(values, '-0.0')).toBe('0,-0.0,"NaN","Infinity","-Infinity"');
    expect(floatsText(new Float32Array(0))).toBe('');
  });

  it('nests numbers as their shape says, however many there are', () => {
    const values = Float32Array.from({ length: 60_000 }, (_, at) => -at / 7e9);
    const text = nestedFloatsText(values, [3, 4, 5000], 0);
    const list = [...values].map(shortest);
    const nested = [0, 1, 2].map((a) =>
      [0, 1, 2, 3].map((b) => list.slice((a * 4 + b) * 5000, (a * 4 + b + 1) * 5000)),
    );
    expect(text).toBe(JSON.stringify(nested));
    expect(nestedFloatsText(values, [2, 0, 3], 0)).toBe('[[],[]]');
    expect(nestedFloatsText(values, [], 70)).toBe('-1e-8');
    expect(nestedFloatsText(values, [1, 1, 1, 2], 7)).toBe('[[[[-1e-9,-1.1428571e-9]]]]');
  });

  it('nests deeper than any number of digits', () => {
    const shape = new Array<number>(200).fill(1);
    expect(nestedFloatsText(Float32Array.of(0.5), shape, 0)).toBe(`${'['.repeat(200)}0.5${']'.repeat(200)}`);
  });
});
