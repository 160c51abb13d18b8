import type { ErrorCode } from './error-table.js';
import { InferError } from './errors.js';
import { printable } from './printable.js';

/** Integers from `min` to `max`, inclusive. */
export interface Bound {
  readonly min: number;
  readonly max: number;
}

const DAY_MS = 86_400_000;

/**
 * Longest duration anywhere. Redis refuses an expiry that does not fit its clock (9999999999999999 s), and a
 * script that is refused half way has done half of its work.
 */
export const DURATION_MAX_MS = 3650 * DAY_MS;

/** Longest wait anywhere: timers of Node.js take up to 2^31 - 1 ms, and fire immediately beyond that. */
export const TIMER_MAX_MS = 24 * DAY_MS;

/**
 * Scores of delayed jobs can represent times until 2039, so nothing may start later than a year from now, or
 * get more than a year from then.
 */
export const AHEAD_MAX_MS = 365 * DAY_MS;

/** Maximum for anything that is only counted. */
export const COUNT_MAX = 1_000_000_000;

/** Maximum for a size given by the user: 1,024 TB. */
export const BYTES_MAX = 2 ** 50;

/** Milliseconds of silence after which a worker's jobs are given to another worker, unless set otherwise. */
export const LOCK_MS = 10_000;

/** THE bounds of job and worker options, for flags, settings, library and scripts. */
export const BOUNDS = {
  /** Seconds that a result, or a failed job, is kept; 0: not kept. */
  keepS: { min: 0, max: DURATION_MAX_MS / 1000 },
  /** Milliseconds from now (or from its earliest start) after which a job expires. */
  expiresMs: { min: 0, max: AHEAD_MAX_MS },
  /** Milliseconds before a job starts. */
  delayMs: { min: 0, max: AHEAD_MAX_MS },
  /** Milliseconds of run time. */
  timeLimitMs: { min: 1, max: TIMER_MAX_MS },
  /** Milliseconds of silence after which a worker's jobs are given to another worker. */
  lockMs: { min: 1000, max: DAY_MS },
  /** Retries after the first attempt. */
  retries: { min: 0, max: 100 },
  /** Milliseconds before the first retry. */
  retryDelayMs: { min: 0, max: TIMER_MAX_MS },
  /** Rows of one run. */
  maxBatch: { min: 1, max: 65_536 },
  /** Scores of one place of an output: more are no choice of the best. */
  topK: { min: 1, max: 65_536 },
  /** Rows of one job. */
  rows: { min: 1, max: COUNT_MAX },
} as const satisfies Record<string, Bound>;

/** The nearest number within the bounds; undefined for anything that is not a number. */
export function within(value: unknown, { min, max }: Bound): number | undefined {
  if (typeof value !== 'number' || Number.isNaN(value)) return undefined;
  return Math.round(Math.min(Math.max(value, min), max));
}

/**
 * Checks an option of the library against its bounds; fractions are rounded.
 * @param what its name and unit, for the message.
 * @throws InferError with `code` (exit 2) unless a number within the bounds.
 */
export function checkBound(code: ErrorCode, what: string, value: number, bound: Bound): number {
  if (typeof value === 'number' && value >= bound.min && value <= bound.max) return Math.round(value);
  throw new InferError(code, `${what}: ${shown(value)} is not a number of ${bound.min} to ${bound.max}`, {
    hint: `give a number from ${bound.min} to ${bound.max}, or leave it out`,
  });
}

/** An invalid value for a message. Text is quoted, so that '5' differs from 5. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `the text '${printable(value.slice(0, 40))}'`;
  return typeof value === 'number' || typeof value === 'bigint'
    ? String(value)
    : `a value of type ${typeof value}`;
}
