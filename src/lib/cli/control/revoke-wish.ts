import { InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import type { RevokeWish } from '../../operations/revoke-jobs.js';
import { type JobFilterInput, parseJobFilter } from '../../queue/read/job-filter.js';

/**
 * Which jobs the arguments and flags select.
 * @throws InferError REVOKE_WHAT (2) when they select none, or both jobs and a filter; FILTER (2).
 */
export function revokeWish(ids: readonly string[] | undefined, typed: JobFilterInput): RevokeWish {
  const words = Object.entries(typed).filter(([, value]) => value !== undefined);
  if (ids === undefined && words.length === 0) {
    throw new InferError('REVOKE_WHAT', 'name the jobs to cancel, or filter them', {
      hint: 'infer control revoke --model digits --older-than 1h --dry-run; purge empties a whole queue',
    });
  }
  const filter = parseJobFilter(typed);
  if (ids === undefined) {
    return { filter, detail: words.map(([name, value]) => `${name} ${String(value)}`).join(', ') };
  }
  if (words.length === 0) return { ids };
  throw new InferError('REVOKE_WHAT', 'give either --id or a filter, not both', {
    hint: `infer control revoke --id ${ids.map(printable).join(' --id ')}`,
  });
}
