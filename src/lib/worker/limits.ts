import type { JobSpec } from '../queue/broker.js';

/** Milliseconds of run time a job may have; undefined = no limit. */
export interface TimeLimits {
  timeLimitMs?: number | undefined;
  softTimeLimitMs?: number | undefined;
}

/** A job's own limits, never above the worker's. */
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
