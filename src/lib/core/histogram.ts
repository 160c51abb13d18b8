/** A histogram in Prometheus's form: how many values are at most each bound, all of them, their sum. */
export interface Histogram {
  readonly upTo: number[];
  count: number;
  sum: number;
}

/** A histogram without values. */
export function emptyHistogram(bounds: readonly number[]): Histogram {
  return { upTo: bounds.map(() => 0), count: 0, sum: 0 };
}

/**
 * Counts a value, by the bounds with which the histogram was made. Values are counted directly: counts from a sketch are true to
 * 1 % and can fall when a larger value arrives, which a histogram must not.
 */
export function observe(histogram: Histogram, bounds: readonly number[], value: number): void {
  histogram.count += 1;
  histogram.sum += value;
  for (const [at, bound] of bounds.entries())
    if (value <= bound) histogram.upTo[at] = (histogram.upTo[at] as number) + 1;
}
