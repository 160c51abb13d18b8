import type { ErrorCode } from '../core/error-table.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/printable.js';
import type { RetryWish } from '../operations/retry-jobs.js';
import { filterOf, type GivenJobFlags, JOB_FLAGS } from './inspect/filter-flags.js';

const FILTERS = Object.keys(JOB_FLAGS) as (keyof typeof JOB_FLAGS)[];

/**
 * Which failed jobs the arguments and flags select.
 * @throws InferError RETRY_WHAT, RETRY_QUEUES (2) when they select none, or both a job and a filter.
 */
export function retryWish(id: string | undefined, flags: GivenJobFlags & { failed: boolean }): RetryWish {
  const { failed } = flags;
  const [filter] = FILTERS.filter((name) => flags[name] !== undefined);
  const usage = (code: ErrorCode, message: string, hint: string) => new InferError(code, message, { hint });
  if (id === undefined && !failed) {
    throw usage(
      'RETRY_WHAT',
      'name a job or group, or give --failed and a filter',
      'infer retry ID, or infer retry --failed -Q batch',
    );
  }
  if (id !== undefined && failed) {
    throw usage(
      'RETRY_WHAT',
      'give either an id or --failed, not both',
      `infer retry ${printable(id)}, or infer retry --failed -Q batch`,
    );
  }
  if (id !== undefined && filter !== undefined) {
    throw usage(
      'RETRY_WHAT',
      `--${filter} goes with --failed, and an id was given`,
      `infer retry ${printable(id)}, or infer retry --failed with filters`,
    );
  }
  if (id !== undefined) return { id };
  if (filter === undefined) {
    throw usage(
      'RETRY_QUEUES',
      '--failed needs a filter, such as the queues',
      'infer retry --failed -Q batch',
    );
  }
  const detail = FILTERS.flatMap((name) =>
    flags[name] === undefined ? [] : [`${name} ${String(flags[name])}`],
  );
  return { filter: filterOf(flags, ['failed']), detail: detail.join(', ') };
}
