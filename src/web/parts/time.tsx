import { ago, elapsed, localTime, utcTime } from '../format/time.js';
import { useDashboard, useNow } from '../state/hooks.js';

/** A moment in the browser's time zone; UTC on hover. */
export function Time({ at }: { at: number }) {
  const now = useDashboard().now();
  return (
    <time dateTime={new Date(at).toISOString()} title={utcTime(at)}>
      {localTime(at, now)}
    </time>
  );
}

/** How long ago a moment was; local time and UTC on hover. */
export function Ago({ at }: { at: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={`${localTime(at, now)} · ${utcTime(at)}`}>
      {ago(at, now)}
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
