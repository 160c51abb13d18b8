import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementError } from '../../../src/lib/input/element-error.js';
import { CODECS, fromHalf, type NumericType, toHalf } from '../../../src/lib/model/elements.js';
import { input } from './signatures.js';

function write(type: NumericType, value: unknown): unknown {
  const target = CODECS[type].allocate(1);
  return CODECS[type].write(target, 0, [value]) === -1 ? target[0] : 'refused';
}

describe('element codecs', () => {
  it.each<[NumericType, unknown, unknown]>([
    ['float32', 0.5, 0.5],
    ['float32', 3.4028234663852886e38, 3.4028234663852886e38],
    ['float32', 3.4028235677973362e38, 3.4028234663852886e38],
    ['float32', 3.4028235677973366e38, 'refused'],
    ['float32', 5n, 5],
    ['float64', 1e308, 1e308],
    ['float64', Number.POSITIVE_INFINITY, 'refused'],
    ['float16', 65519, 0x7bff],
    ['float16', 65520, 'refused'],
    ['int8', -128, -128],
    ['int8', 128, 'refused'],
    ['uint8', 255, 255],
    ['uint8', -1, 'refused'],
    ['int16', 32768, 'refused'],
    ['uint16', 65536, 'refused'],
    ['int32', 2147483648, 'refused'],
    ['int32', 1.5, 'refused'],
    ['uint32', 4294967295, 4294967295],
    ['int64', 5, 5n],
    ['int64', '9007199254740993', 9007199254740993n],
    ['int64', 9007199254740992, 'refused'],
    ['int64', 2n ** 63n, 'refused'],
    ['uint64', '18446744073709551615', 18446744073709551615n],
    ['uint64', -1, 'refused'],
    ['bool', true, 1],
    ['bool', 0, 0],
    ['bool', 2, 'refused'],
    ['bool', 'true', 'refused'],
    ['float32', null, 'refused'],
    ['float32', '1', 'refused'],
    ['float32', Number.NaN, 'refused'],
    ['float32', 'NaN', Number.NaN],
    ['float32', '-Infinity', Number.NEGATIVE_INFINITY],
    ['float64', 'Infinity', Number.POSITIVE_INFINITY],
    ['float16', 'NaN', 0x7e00],
    ['float16', '-Infinity', 0xfc00],
    ['float32', 'nan', 'refused'],
    ['float32', 'inf', 'refused'],
    ['int32', 'NaN', 'refused'],
    ['bool', 'NaN', 'refused'],
  ])('for %s read %s as %s', (type, value, expected) => {
    expect(write(type, value)).toBe(expected);
  });

  it('accept NaN and infinities as numbers only from a program', () => {
    for (const type of ['float32', 'float64', 'float16'] as const) {
      const target = CODECS[type].allocate(2);
      expect(CODECS[type].write(target, 0, [Number.NaN, Number.NEGATIVE_INFINITY], true)).toBe(-1);
      expect(CODECS[type].write(target, 0, [0, Number.NaN])).toBe(1);
    }
    expect(CODECS.float32.write(CODECS.float32.allocate(1), 0, [1e39], true)).toBe(0);
  });

  it('decode and encode every float16 without loss', () => {
    for (let bits = 0; bits < 65536; bits++) {
      if ((bits & 0x7c00) !== 0x7c00) expect(toHalf(fromHalf(bits))).toBe(bits);
    }
  });

  it('round float16 to nearest, ties to even', () => {
    fc.assert(
      fc.property(fc.double({ min: -65519, max: 65519, noNaN: true }), (value) => {
        const bits = toHalf(value);
        const off = Math.abs(fromHalf(bits) - value);
        for (const near of [bits - 1, bits + 1]) {
          if ((near & 0x7c00) === 0x7c00 || near < 0) continue;
          expect(off).toBeLessThanOrEqual(Math.abs(fromHalf(near) - value));
        }
      }),
    );
    expect(toHalf(2049)).toBe(toHalf(2048));
    expect(toHalf(2051)).toBe(toHalf(2052));
  });
});

describe('an element error', () => {
  it.each<[NumericType | 'string', unknown, string]>([
    ['float32', null, 'null'],
    ['float32', 'secret', 'text'],
    ['float32', 'nan', 'NaN or infinity'],
    ['int8', 'NaN', 'NaN or infinity'],
    ['float32', Number.POSITIVE_INFINITY, 'infinite'],
    ['float32', 1e39, 'too large for float32'],
    ['float32', {}, 'an object'],
    ['int8', 300, 'outside -128..127'],
    ['int32', 0.5, 'not a whole number'],
    ['int64', 2 ** 53, 'beyond 2^53'],
    ['uint64', -4, '0..2^64-1'],
    ['int64', '12x', 'not a whole number'],
    ['bool', 7, 'other than 0 and 1'],
    ['string', 5, 'a number'],
    ['string', 'a\0b', 'NUL'],
    ['string', '\ud800', 'surrogate'],
  ])('for %s says that %j is %s', (type, value, words) => {
    const error = elementError(value, 4, input('x', type, [8]), 'm', 'line 7');
    expect(error.message).toContain(`line 7: element 5 is`);
    expect(error.message).toContain(words);
    expect(error.message).toContain("input 'x' of model m");
    expect(error.message).not.toContain('secret');
    expect(error.hint).toBeTruthy();
    expect(error.exitCode).toBe(65);
  });
});
