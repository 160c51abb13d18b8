import { duration } from './units.js';

/** Where times are shown; undefined: in the zone of the browser. */
let shown: string | undefined;

/** Shows all times in a zone from now on [that of the browser]. */
export function showIn(timeZone: string | undefined): void {
  shown = timeZone;
}

/** The browser's time zone and its offset, such as `Europe/Berlin (UTC+1)`. */
export function zoneName(now: number, timeZone: string | undefined = shown): string {
  const name = timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  return name === 'UTC' ? 'UTC' : `${name} (${offsetOf(now, name)})`;
}

/** `UTC+1`, `UTC-3:30`: of this moment, since summer time changes it. */
function offsetOf(at: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'shortOffset' }).formatToParts(at);
  const offset = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC';
  return offset === 'GMT' ? 'UTC+0' : offset.replace('GMT', 'UTC');
}

/** `14:05:09` today, `28 Nov 14:05:09` on another day, with the year in another year. */
export function localTime(at: number, now: number, timeZone: string | undefined = shown): string {
  const time = clock(at, timeZone, true);
  const day = dayOf(at, timeZone);
  if (day === dayOf(now, timeZone)) return time;
  const year = yearOf(at, timeZone);
  return year === yearOf(now, timeZone) ? `${day} ${time}` : `${day} ${year} ${time}`;
}

/** `14:05` or `14:05:09`. */
export function clock(at: number, timeZone: string | undefined = shown, seconds = false): string {
  return new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(seconds ? { second: '2-digit' } : {}),
    ...(timeZone === undefined ? {} : { timeZone }),
  }).format(at);
}

/** `28 Nov`. */
export function dayOf(at: number, timeZone: string | undefined = shown): string {
  const zone = timeZone === undefined ? {} : { timeZone };
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', ...zone }).format(at);
}

function yearOf(at: number, timeZone: string | undefined): string {
  const zone = timeZone === undefined ? {} : { timeZone };
  return new Intl.DateTimeFormat('en-GB', { year: 'numeric', ...zone }).format(at);
}

/** `2026-11-28 13:05:09 UTC`. */
export function utcTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `now`, `12 s ago`, `2h 5m ago`, and `in 30 s` for what is to come. */
export function ago(at: number, now: number): string {
  const ms = now - at;
  if (Math.abs(ms) < 1000) return 'now';
  const whole = Math.round(Math.abs(ms) / 1000) * 1000;
  return ms > 0 ? `${duration(whole)} ago` : `in ${duration(whole)}`;
}

/** `12 s`, `2h 5m`: in whole seconds, one at least. */
export function elapsed(since: number, now: number): string {
  return duration(Math.max(1000, Math.round((now - since) / 1000) * 1000));
}
