import { errorFacts } from '../core/error-table.js';
import type { JobSpec } from '../queue/types.js';

/** Default maximum number of attempts of a job, and default first delay between two. */
const DEFAULT_ATTEMPTS = 3;
const DEFAULT_RETRY_DELAY_MS = 5000;
const MAX_RETRY_DELAY_MS = 3_600_000;

/** Longest wait for a submitter to store an input again that Redis lost while its job was being added. */
const INPUT_DELAY_MS = 1000;

/** Whether another attempt may succeed. Bad input, or a model's own error, fails the same way again. */
export function isCurable(code: string): boolean {
  return errorFacts(code).retryable;
}

/**
 * Milliseconds until the next attempt of a failed job, or undefined when it has failed permanently.
 * Exponential, times 0.5..1 so that jobs that failed together do not come back together (`random` in 0..1).
 * Pure.
 */
export function retryDelay(
  spec: Pick<JobSpec, 'attempts' | 'retryDelayMs'>,
  failuresBefore: number,
  code: string,
  random: number,
): number | undefined {
  const tries = failuresBefore + 1;
  // Only once: an input that was evicted or deleted does not come back.
  if (code === 'INPUT_LOST' && failuresBefore === 0 && (spec.attempts ?? DEFAULT_ATTEMPTS) > 1)
    return Math.round(INPUT_DELAY_MS * (0.5 + random / 2));
  if (!isCurable(code) || tries >= (spec.attempts ?? DEFAULT_ATTEMPTS)) return undefined;
  const base = (spec.retryDelayMs ?? DEFAULT_RETRY_DELAY_MS) * 2 ** failuresBefore;
  return Math.round(Math.min(base, MAX_RETRY_DELAY_MS) * (0.5 + random / 2));
}
