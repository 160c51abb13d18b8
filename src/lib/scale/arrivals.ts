import type { QueueFacts } from './observation.js';

const SLOW_SECONDS = 60;
/** A surge is detected over the last 16 s. */
const RECENT_SECONDS = 16;
/** A surge counts as far as it exceeds chance: one and a half standard deviations. */
const DOUBT = 1.5;
/** Counts are compared over windows of this length, ms. */
const WINDOW_MS = 10_000;
const DISPERSION_WEIGHT = 0.1;
const MOST_DISPERSION = 30;
/** Looks further apart than this say nothing about the distribution of arrivals. */
const GAP_MS = 60_000;

/** State of the arrivals from one reading to the next. Plain JSON. */
export interface Arrivals {
  /** Time of the last count, ms since the epoch; null before the first. */
  readonly at: number | null;
  readonly arrived: number;
  readonly completed: number;
  /** Whether `arrived` was derived, and so cannot be compared with a counter. */
  readonly derived?: boolean;
  /** Jobs per second, averaged over about 60 s. */
  readonly slow: number;
  /** Variance of the counts divided by their mean: 1 for independent users, more for clumps. */
  readonly dispersion: number;
  /** Counts of the latest looks, newest first, with the seconds each covers. */
  readonly recent: readonly (readonly [count: number, seconds: number])[];
  readonly window: { readonly count: number; readonly since: number; readonly last: number | null };
}

export const NO_ARRIVALS: Arrivals = {
  at: null,
  arrived: 0,
  completed: 0,
  slow: 0,
  dispersion: 1,
  recent: [],
  window: { count: 0, since: 0, last: null },
};

/** Averages after one more look. A counter that decreased (a flush, a failover) resets them. */
export function countArrivals(before: Arrivals, queue: QueueFacts): Arrivals {
  const { at, completed } = queue;
  // Without a counter, arrivals are the jobs present plus those that have ended.
  const arrived = queue.arrived ?? queue.waiting + queue.dueDelayed + queue.active + completed;
  if (before.at !== null && at <= before.at) return before;
  const derived = queue.arrived === null;
  const comparable = derived === (before.derived ?? false);
  const backwards = completed < before.completed || (!derived && comparable && arrived < before.arrived);
  if (before.at === null || backwards) {
    return { ...NO_ARRIVALS, at, arrived, completed, derived, window: { count: 0, since: at, last: null } };
  }
  const seconds = (at - before.at) / 1000;
  // Without a counter, removed jobs make the sum smaller.
  const count = comparable
    ? Math.max(0, arrived - before.arrived)
    : Math.max(0, completed - before.completed);
  return {
    at,
    arrived,
    completed,
    derived,
    slow: before.slow + (1 - Math.exp(-seconds / SLOW_SECONDS)) * (count / seconds - before.slow),
    recent: lastSeconds([[count, seconds], ...before.recent]),
    ...spread(before, at, count),
  };
}

/** The expected rate, jobs per second: the average, or what a surge has reached with confidence. */
export function arrivalRate({ slow, recent, dispersion }: Arrivals, doubt = DOUBT): number {
  let [count, seconds, best] = [0, 0, slow];
  for (const [jobs, time] of recent) {
    count += jobs;
    seconds += time;
    best = Math.max(best, (count - doubt * Math.sqrt(dispersion * count)) / seconds);
  }
  return best;
}

function lastSeconds(looks: Arrivals['recent']): Arrivals['recent'] {
  let seconds = 0;
  return looks.filter(([, time], at) => {
    seconds += time;
    return at === 0 || seconds <= RECENT_SECONDS;
  });
}

/** Half the squared difference of two adjacent windows is their variance, independent of any trend. */
function spread(
  { window, dispersion }: Arrivals,
  at: number,
  count: number,
): Pick<Arrivals, 'window' | 'dispersion'> {
  const total = window.count + count;
  if (at - window.since < WINDOW_MS) return { window: { ...window, count: total }, dispersion };
  const next = { count: 0, since: at, last: total };
  if (window.last === null || at - window.since > GAP_MS) return { window: next, dispersion };
  const mean = (total + window.last) / 2;
  if (mean === 0) return { window: next, dispersion };
  const sample = (total - window.last) ** 2 / 2 / mean;
  const smoothed = dispersion + DISPERSION_WEIGHT * (sample - dispersion);
  return { window: next, dispersion: Math.min(MOST_DISPERSION, Math.max(1, smoothed)) };
}
