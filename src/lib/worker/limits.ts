import { InferError } from '../core/errors.js';
import { formatDuration } from '../core/units.js';
import type { JobSpec } from '../queue/types.js';

/** Milliseconds of run time a job may have; undefined = no limit. */
export interface TimeLimits {
  timeLimitMs?: number | undefined;
  softTimeLimitMs?: number | undefined;
}

/** A job's own limits, capped by the worker's. */
export function limitsOf(
  spec: Pick<JobSpec, 'timeLimitMs' | 'softTimeLimitMs'>,
  worker: TimeLimits,
): { hardMs: number | undefined; softMs: number | undefined } {
  return {
    hardMs: least(spec.timeLimitMs, worker.timeLimitMs),
    softMs: least(spec.softTimeLimitMs, worker.softTimeLimitMs),
  };
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

/** A job ran longer than its hard limit. */
export function timeLimit(ms: number): InferError {
  return new InferError('TIME_LIMIT', `it ran longer than its time limit of ${formatDuration(ms)}`, {
    hint: 'raise --time-limit on submit and worker, or make the input smaller',
  });
}
