import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { badInput, InferError, toFailureRecord } from '../../../src/lib/core/errors.js';
import { ExitCode } from '../../../src/lib/core/exit-codes.js';
import {
  formatBytes,
  formatDuration,
  parseBytes,
  parseDuration,
  parseMoment,
} from '../../../src/lib/core/units.js';
import { WakeUp } from '../../../src/lib/core/wake-up.js';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['2s', 2000],
    ['2 s', 2000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    [' 3 ', 3000],
    ['0', 0],
  ])('parse %s as %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', 's', '-1s', '1w', '1e3', '1s2', 'Infinity', '1,5s'])('refuse %j', (text) => {
    expect(() => parseDuration(text)).toThrow(
      expect.objectContaining({ code: 'DURATION', exitCode: ExitCode.Usage }),
    );
  });

  it.each([
    [0, '0 µs'],
    [0.85, '850 µs'],
    [12.34, '12.3 ms'],
    [850, '850 ms'],
    [4200, '4.2 s'],
    [200_000, '3m 20s'],
    [7_500_000, '2h 5m'],
    [356_400_000, '4d 3h'],
    [Number.NaN, '-'],
    [Number.POSITIVE_INFINITY, '-'],
  ])('show %d as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('never show a part at or above its unit', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (ms) => {
        const text = formatDuration(ms);
        expect(text).not.toMatch(/^(1000|\d{5,}) µs|^(1000|\d{4,}) ms|^60 s| 60s| 60m| 24h/);
      }),
    );
  });
});

describe('sizes', () => {
  it.each([
    ['512', 512],
    ['64kb', 65_536],
    ['64 KB', 65_536],
    ['1.5mb', 1_572_864],
    ['2gb', 2_147_483_648],
  ])('parse %s as %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(['', 'kb', '-1', '1kib', '1pb'])('refuse %j', (text) => {
    expect(() => parseBytes(text)).toThrow(expect.objectContaining({ code: 'BYTES' }));
  });

  it('are shown approximately', () => {
    expect([0, 512, 1536, 1024 ** 2, 150 * 1024 ** 3].map(formatBytes)).toEqual([
      '0 B',
      '512 B',
      '1.5 KB',
      '1 MB',
      '150 GB',
    ]);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (bytes) => {
        expect(Math.abs(parseBytes(formatBytes(bytes)) - bytes)).toBeLessThanOrEqual(bytes * 0.06);
      }),
    );
  });
});

describe('errors', () => {
  it('keep code, hint and position, and their stored form is short and has no stack', () => {
    const error = badInput('INPUT_JSON', 'is bad', { where: 'line 3', hint: 'fix it' });
    expect(error).toMatchObject({ message: 'line 3: is bad', exitCode: ExitCode.BadInput });
    expect(toFailureRecord(error)).toEqual({ code: 'INPUT_JSON', message: 'line 3: is bad', hint: 'fix it' });
    expect(toFailureRecord(new InferError('PORT', 'm'))).toEqual({ code: 'PORT', message: 'm' });
    const long = toFailureRecord(new Error('z'.repeat(2000)));
    expect(long).toEqual({ code: 'RUN_FAILED', message: 'z'.repeat(500) });
    expect(toFailureRecord('thrown text', 'CONTROL')).toEqual({ code: 'CONTROL', message: 'thrown text' });
  });
});

describe('a wake-up', () => {
  it('wakes all current waiters, and none that start later', async () => {
    const wakeUp = new WakeUp();
    const both = Promise.all([wakeUp.wait(), wakeUp.wait()]);
    wakeUp.wake();
    await both;
    let woken = false;
    void wakeUp.wait().then(() => {
      woken = true;
    });
    await Promise.resolve();
    expect(woken).toBe(false);
    wakeUp.wake();
    await Promise.resolve();
    expect(woken).toBe(true);
  });
});

describe('texts and limits of units', () => {
  it('name the fault and the fix', () => {
    expect(() => parseDuration('soon')).toThrow(
      expect.objectContaining({
        message: "'soon' is not a duration",
        hint: 'write a number with a unit: 500ms, 2s, 1.5m, 1h or 7d (a bare number is seconds)',
      }),
    );
    expect(() => parseDuration('2h', 3_600_000)).toThrow(
      expect.objectContaining({ hint: 'write 1h or less' }),
    );
    expect(() => parseMoment('tomorrow')).toThrow(
      expect.objectContaining({ code: 'TIME', message: "'tomorrow' is not a time" }),
    );
    expect([parseDuration('1.25s'), parseDuration('0.125s'), parseDuration('1h', 3_600_000)]).toEqual([
      1250, 125, 3_600_000,
    ]);
  });

  it('change exactly at their bounds', () => {
    const shown = [
      0.9994, 1, 99.94, 100, 999.4, 1000, 59_949, 60_000, 3_599_000, 3_600_000, 86_399_000, 86_400_000,
    ];
    expect(shown.map(formatDuration)).toEqual([
      '999 µs',
      '1 ms',
      '99.9 ms',
      '100 ms',
      '999 ms',
      '1 s',
      '59.9 s',
      '1m 0s',
      '59m 59s',
      '1h 0m',
      '23h 59m',
      '1d 0h',
    ]);
    const sizes = [1023, 1024, 1024 * 99.94, 1024 * 100, 1024 * 100.4, 1024 ** 4, 1024 ** 5, 1024 ** 6];
    expect(sizes.map(formatBytes)).toEqual([
      '1023 B',
      '1 KB',
      '99.9 KB',
      '100 KB',
      '100 KB',
      '1 TB',
      '1024 TB',
      '1048576 TB',
    ]);
  });

  it('of times accept every spelling of a zone', () => {
    const utc = Date.UTC(2027, 0, 31, 21);
    for (const zone of ['T21:00Z', 't21:00z', ' 22:00+01:00', 'T22:00+0100', 'T21:00:00.000Z']) {
      expect(parseMoment(`2027-01-31${zone}`), zone).toBe(utc);
    }
  });
});
