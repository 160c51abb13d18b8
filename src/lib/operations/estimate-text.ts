import { count, plural } from '../core/counts.js';
import type { JobEstimate } from '../queue/read/job-estimate.js';

/** Jobs as a number that may be a bound. */
export type Bounded = Pick<JobEstimate, 'jobs' | 'bound'>;

/** `3 failed jobs`, `at most 1,000,000 waiting jobs`, `at least 20 jobs`; `an unknown number of jobs` if none of those that were read matches. */
export function boundedJobs({ jobs, bound }: Bounded, what = 'job'): string {
  if (bound === 'exact') return plural(jobs, what);
  if (bound === 'most') return `at most ${plural(jobs, what)}`;
  return jobs === 0 ? `an unknown number of ${what}s` : `at least ${plural(jobs, what)}`;
}

/** What was not counted, as a sentence without its full stop; undefined if nothing was left out. */
export function unreadText({ bound, unread }: JobEstimate): string | undefined {
  if (bound !== 'least') return undefined;
  return `${plural(unread, 'more job')} ${unread === 1 ? 'was' : 'were'} not read and may match too`;
}

/** `2 waiting, 1 active`: the states of an estimate, in the order of lists. */
export function byStateText({ byState }: Pick<JobEstimate, 'byState'>): string {
  return Object.entries(byState)
    .map(([state, jobs]) => `${count(jobs ?? 0)} ${state}`)
    .join(', ');
}
