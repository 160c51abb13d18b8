import type { Rule } from './rules.js';

/** The minimum and maximum number of a worker's runner processes. */
export interface RunnerBounds {
  readonly min: number;
  readonly max: number;
}

const MOST = 256;

/**
 * `8,2`: at most eight and at least two, in Celery's order; `8` alone is `8,1`. Files may also say `[8, 2]`.
 */
export function runnerBounds(): Rule<RunnerBounds> {
  return {
    text: `MAX,MIN: two whole numbers of 1..${MOST}, the most runners first, then the least`,
    example: '8,2',
    read: (raw) => {
      const text = Array.isArray(raw) ? raw.join(',') : String(raw);
      const [, max, min] = /^\s*(\d{1,3})(?:\s*,\s*(\d{1,3}))?\s*$/.exec(text) ?? [];
      if (max === undefined) return undefined;
      const bounds = { max: Number(max), min: Number(min ?? 1) };
      return bounds.min >= 1 && bounds.min <= bounds.max && bounds.max <= MOST ? bounds : undefined;
    },
  };
}

/** The bounds in written form: `8,2`. */
export function boundsText({ max, min }: RunnerBounds): string {
  return `${max},${min}`;
}
