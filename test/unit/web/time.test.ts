import { describe, expect, it } from 'vitest';
import {
  ago,
  clock,
  dayOf,
  elapsed,
  localTime,
  showIn,
  utcTime,
  zoneName,
} from '../../../src/web/format/time.js';

const AT = Date.UTC(2026, 10, 28, 13, 5, 9);
const BERLIN = 'Europe/Berlin';

describe('times of the page', () => {
  it('are in the zone of the browser, with the day and year only where they differ', () => {
    expect(localTime(AT, AT + 60_000, BERLIN)).toBe('14:05:09');
    expect(localTime(AT, AT + 86_400_000, BERLIN)).toBe('28 Nov 14:05:09');
    expect(localTime(AT, AT + 60 * 86_400_000, BERLIN)).toBe('28 Nov 2026 14:05:09');
  });

  it('differ by the day of that zone, not of UTC', () => {
    const late = Date.UTC(2026, 10, 28, 23, 30);
    expect(localTime(late, Date.UTC(2026, 10, 29, 8), BERLIN)).toBe('00:30:00');
    expect(dayOf(late, BERLIN)).toBe('29 Nov');
  });

  it('begin the day at 00, not at 24', () => expect(clock(Date.UTC(2026, 0, 1), 'UTC')).toBe('00:00'));

  it('are all in another zone once that is chosen', () => {
    showIn('UTC');
    expect([localTime(AT, AT), clock(AT), zoneName(AT)]).toEqual(['13:05:09', '13:05', 'UTC']);
    showIn(undefined);
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    expect(localTime(AT, AT)).toBe(localTime(AT, AT, timeZone));
  });

  it('have UTC on hover', () => expect(utcTime(AT)).toBe('2026-11-28 13:05:09 UTC'));

  it.each([
    [BERLIN, AT, 'Europe/Berlin (UTC+1)'],
    [BERLIN, Date.UTC(2026, 6, 1), 'Europe/Berlin (UTC+2)'],
    ['Asia/Kolkata', AT, 'Asia/Kolkata (UTC+5:30)'],
    ['America/St_Johns', AT, 'America/St_Johns (UTC-3:30)'],
    ['Africa/Abidjan', AT, 'Africa/Abidjan (UTC+0)'],
    ['UTC', AT, 'UTC'],
  ])('name their zone %s with the offset of the moment', (zone, at, text) =>
    expect(zoneName(at, zone)).toBe(text),
  );

  it.each([
    [0, 'now'],
    [999, 'now'],
    [12_400, '12 s ago'],
    [7_500_000, '2h 5m ago'],
    [-30_000, 'in 30 s'],
  ])('%s ms before now are "%s"', (before, text) => expect(ago(AT - before, AT)).toBe(text));

  it.each([
    [-400, '1 s'],
    [0, '1 s'],
    [12_400, '12 s'],
    [7_500_000, '2h 5m'],
  ])('%s ms have lasted "%s"', (ms, text) => expect(elapsed(AT - ms, AT)).toBe(text));
});
