import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration } from '../../../src/lib/core/units.js';
import {
  bytes,
  count,
  duration,
  NONE,
  percent,
  perSecond,
  plural,
  rate,
  shortCount,
} from '../../../src/web/format/units.js';

describe('numbers of the page', () => {
  it.each([
    [0, '0'],
    [1234567, '1,234,567'],
    [2.6, '3'],
    [null, NONE],
    [undefined, NONE],
    [Number.NaN, NONE],
  ])('count of %s is %s', (value, text) => expect(count(value)).toBe(text));

  it.each([
    [0, '0 jobs'],
    [1, '1 job'],
    [2, '2 jobs'],
    [12300, '12,300 jobs'],
  ])('%s is said as %s', (value, text) => expect(plural(value, 'job')).toBe(text));

  it('takes a plural that is not regular', () => {
    expect(plural(1, 'entry', 'entries')).toBe('1 entry');
    expect(plural(3, 'entry', 'entries')).toBe('3 entries');
  });

  it.each([
    [0, '0'],
    [2.346, '2.35'],
    [99_999, '99,999'],
    [123_456, '123 k'],
    [999_499, '999 k'],
    [999_600, '1 M'],
    [12_345_678, '12 M'],
    [1_234_567_890, '1.2 G'],
    [null, NONE],
  ])('in short, %s is %s', (value, text) => expect(shortCount(value)).toBe(text));

  it.each([
    [0, '0 %'],
    [0.0004, '< 0.1 %'],
    [0.0021, '0.2 %'],
    [0.126, '13 %'],
    [0.8, '80 %'],
    [0.9949, '99.5 %'],
    [0.99995, '> 99.9 %'],
    [1, '100 %'],
    [null, NONE],
  ])('a share of %s is %s: never none, or all, where it is not', (value, text) =>
    expect(percent(value)).toBe(text),
  );

  it.each([
    [0, '0/s'],
    [0.0001, '< 0.001/s'],
    [0.0214, '0.021/s'],
    [4.56, '4.6/s'],
    [374.4, '374/s'],
    [12_300, '12,300/s'],
    [null, NONE],
  ])('%s jobs a second are %s', (value, text) => expect(rate(value)).toBe(text));

  it('writes a rate without its unit where the column has it', () => expect(perSecond(458)).toBe('458'));
});

describe('units of the page', () => {
  it.each([0.02, 0.85, 1, 12.3, 99.9, 650, 4200, 59_000, 200_000, 7_500_000, 356_400_000])(
    'write a duration of %s ms as the command line does',
    (ms) => expect(duration(ms)).toBe(formatDuration(ms)),
  );

  it.each([0, 1, 1023, 1024, 1536, 49_700_000, 8_589_934_592, 1_099_511_627_776])(
    'write %s bytes as the command line does',
    (value) => expect(bytes(value)).toBe(formatBytes(value)),
  );

  it.each([
    [999.6, '1 s'],
    [59_960, '1m 0s'],
    [-3000, '-3 s'],
    [0, '0 ms'],
  ])('never write %s ms as 1000 ms or 60 s', (ms, text) => expect(duration(ms)).toBe(text));
});
