import { count, plural } from '../../core/counts.js';
import type { JobsPage } from '../../deployment/read-jobs.js';

/** How many of the matching jobs a page shows; undefined when it shows all. */
export function pageSize({
  jobs,
  looked,
  total,
  exact,
  next,
  partial,
}: Omit<JobsPage, 'jobs'> & { jobs: readonly unknown[] }): string | undefined {
  if (next === undefined && total <= jobs.length && !partial) return undefined;
  const shown = plural(jobs.length, 'job');
  if (exact && !partial) return `${shown} of ${count(total)}`;
  const seen = `${shown}; ${count(looked)} of at most ${count(total)} were examined`;
  return partial ? `${seen}: others may belong here, narrow it with --queue, --state or --priority` : seen;
}
