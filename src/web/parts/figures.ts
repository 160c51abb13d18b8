import type { Series } from './chart.js';

/** One line of a chart in the accent colour. */
export function line(label: string, values: Series['values'], more: Partial<Series> = {}): Series {
  return { label, values, ink: 'accent', ...more };
}

/** A second line, told apart without its colour. */
export function dashed(label: string, values: Series['values']): Series {
  return { label, values, ink: 'second', dash: [4, 3] };
}

/** Whether the rows of a model run together, or why not. */
export function batchingOf(unbatched: string | null): string {
  return unbatched === null ? 'on' : `off: ${unbatched}`;
}

/** Whether a line has anything to show. */
export function isKnown(values: Series['values']): boolean {
  return values.some((value) => value !== null);
}
