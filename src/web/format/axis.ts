import { clock, dayOf } from './time.js';

/** Half the width of `14:05` and of `14:05:09` at 12 px, in pixels. */
const HALF = { minutes: 20, seconds: 28 };

export interface TimeAxis {
  /** What it shows, ms since the epoch. */
  from: number;
  to: number;
  /** Its length, and the space behind its end, in pixels. */
  width: number;
  space: number;
  /** [the browser's] */
  timeZone?: string;
}

/** Labels of its ticks (ms since the epoch); those that would be cut off at its end are empty. */
export function timeLabels(
  ticks: readonly number[],
  { from, to, width, space, timeZone }: TimeAxis,
): string[] {
  const days = to - from > 2 * 86_400_000;
  const seconds = ticks.length > 1 && (ticks[1] as number) - (ticks[0] as number) < 60_000;
  return ticks.map((tick) => {
    const left = ((to - tick) / (to - from)) * width + space;
    if (left < (seconds ? HALF.seconds : HALF.minutes)) return '';
    return days ? dayOf(tick, timeZone) : clock(tick, timeZone, seconds);
  });
}
