import { shown } from '../core/bounds.js';
import { InferError } from '../core/errors.js';
import { checkTimeLimit } from '../core/job.js';
import { checkOperatorName } from '../core/operator-name.js';
import type { RetryOptions } from './types.js';

/** Options that several calls share. Submit options are checked in `spec.ts`. */
export interface CallOptions extends RetryOptions {
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
  submitMs?: number | undefined;
}

/**
 * Checks the options of a call before it begins, so that a call with an invalid one changes nothing.
 * @throws InferError TIMEOUT_RANGE, OPERATOR_NAME, TIME_LIMIT_RANGE (2).
 */
export function checkOptions({ timeoutMs, submitMs, as, timeLimitMs }: CallOptions): void {
  checkTimeout('timeoutMs', timeoutMs);
  checkTimeout('submitMs', submitMs);
  if (as !== undefined) checkOperatorName(as);
  if (timeLimitMs !== undefined) checkTimeLimit(timeLimitMs);
}

function checkTimeout(what: string, ms: number | undefined): void {
  if (ms === undefined || (typeof ms === 'number' && ms >= 0)) return;
  throw new InferError('TIMEOUT_RANGE', `${what}: ${shown(ms)} is not a number of milliseconds from 0`, {
    hint: `${what}: 5000 gives up after five seconds; leave it out for no limit`,
  });
}
