/** Growth that is no leak: a share of the usual value, or an absolute amount where that is more. */
export interface Tolerance {
  share: number;
  least: number;
}

/** One figure of a run, a value for each row of the table; NaN where it could not be read. */
export interface Series {
  name: string;
  unit: 'MB' | 'ms' | '';
  values: readonly number[];
  tolerance: Tolerance;
}

export interface Judgement {
  name: string;
  unit: Series['unit'];
  /** Median of the second half. */
  usual: number;
  /** By the trend of the second half, from its first row to its last. */
  growth: number;
  /** Tolerated growth. */
  allowed: number;
  flat: boolean;
}

/** With fewer rows in the second half, a trend means nothing. */
const LEAST_ROWS = 4;

/**
 * Whether a figure stopped growing. Only the second half counts: in the first, caches fill and records reach the number
 * that their TTL allows. The trend is the median of the slopes of all pairs of rows (Theil and Sen), so that single
 * outliers, such as a minute in which the machine was busy, do not count. Pure.
 */
export function judge({ name, unit, values, tolerance }: Series): Judgement {
  const from = Math.floor(values.length / 2);
  const rows = values
    .map((value, at) => ({ at, value }))
    .slice(from)
    .filter(({ value }) => Number.isFinite(value));
  const usual = median(rows.map(({ value }) => value));
  const slopes = rows.flatMap((a, i) => rows.slice(i + 1).map((b) => (b.value - a.value) / (b.at - a.at)));
  const growth = median(slopes) * (values.length - 1 - from);
  const allowed = Math.max(tolerance.share * usual, tolerance.least);
  // What could not be read is not flat.
  const flat = rows.length >= LEAST_ROWS && growth <= allowed;
  return { name, unit, usual, growth, allowed, flat };
}

/** Rows that may pass before a garbage collector visits old objects again. */
const TIDE_ROWS = 5;

/**
 * The minimum of each value and the four before it. Memory of a Node.js process rises until old objects are collected,
 * by some 50 MB and over minutes; what has leaked is also in the minimum. Pure.
 */
export function lowTide(values: readonly number[]): number[] {
  return values.map((_, at) => {
    const last = values.slice(Math.max(0, at - TIDE_ROWS + 1), at + 1).filter(Number.isFinite);
    return last.length === 0 ? Number.NaN : Math.min(...last);
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [upper = Number.NaN, lower = Number.NaN] = [sorted[middle], sorted[middle - 1]];
  return sorted.length % 2 === 1 ? upper : (lower + upper) / 2;
}

/** Other conditions that must hold, in words; an empty list where they do. */
export interface Totals {
  /** Requested and submitted jobs a second. */
  rate: number;
  reached: number;
  /** Wrong answers, failed calls and calls without an answer, by message. */
  unexpected: readonly string[];
  /** Features of which no job or call was counted. */
  unused: readonly string[];
  /** Processes that exited or were replaced unasked. */
  replaced: readonly string[];
  /** Jobs that had not ended long after the last submit. */
  unended: number;
  /** Keys without a bound. */
  unbounded: readonly string[];
}

/** Below this share of the requested rate, a run says little about that rate. */
const LEAST_REACHED = 0.9;

/** Pure. */
export function faultsOf(totals: Totals): string[] {
  const { rate, reached, unexpected, unused, replaced, unended, unbounded } = totals;
  const faults: string[] = [];
  if (reached < LEAST_REACHED * rate) {
    faults.push(
      `only ${reached.toFixed(0)} of ${rate} jobs/s were reached: the machine is too slow or too busy`,
    );
  }
  for (const what of unexpected) faults.push(`unexpected: ${what}`);
  for (const what of unused) faults.push(`never used: ${what}`);
  for (const what of replaced) faults.push(`ended by itself: ${what}`);
  if (unended > 0) faults.push(`${unended} jobs did not end`);
  for (const key of unbounded) faults.push(`unbounded: ${key}`);
  return faults;
}
