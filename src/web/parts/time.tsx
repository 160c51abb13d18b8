import { ago, elapsed, localTime, utcTime } from '../format/time.js';
import { useDashboard, useNow } from '../state/hooks.js';
import { zone } from '../state/zone.js';

/** A moment, in the browser's time zone or in UTC; UTC on hover. */
export function Time({ at }: { at: number }) {
  const now = useDashboard().now();
  return (
    <time dateTime={new Date(at).toISOString()} title={utcTime(at)}>
      {localTime(at, now)}
    </time>
  );
}

/** How long ago a moment was, with its time on hover; where all times are in UTC, the time itself. */
export function Ago({ at }: { at: number }) {
  const now = useNow();
  const inUtc = zone.value === 'utc';
  const time = localTime(at, now);
  return (
    <time dateTime={new Date(at).toISOString()} title={`${inUtc ? ago(at, now) : time} · ${utcTime(at)}`}>
      {inUtc ? time : ago(at, now)}
    </time>
  );
}

/** How long something has lasted, `12 s`; since when, on hover. */
export function Elapsed({ since }: { since: number }) {
  const now = useNow();
  return (
    <time
      dateTime={new Date(since).toISOString()}
      title={`since ${localTime(since, now)} · ${utcTime(since)}`}
    >
      {elapsed(since, now)}
    </time>
  );
}
