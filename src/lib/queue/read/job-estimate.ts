import type { JobState } from '../../core/job.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import type { JobRecord } from '../types.js';
import type { JobFilter } from './job-filter.js';
import { sizeOf, stretchesOf } from './job-index.js';
import { isResidual, type JobPage, scanJobs } from './job-list.js';
import { listQueues } from './reader.js';

/** How many jobs an action would change, as far as a bounded look tells. */
export interface JobEstimate {
  /** All of them, at most this many, or at least this many, as `bound` says. Sum of `byState`. */
  jobs: number;
  bound: 'exact' | 'most' | 'least';
  byState: Partial<Record<JobState, number>>;
  /** Jobs whose records were not read; with `least`, each of them may have to be added. */
  unread: number;
  /** Jobs of a newer layout among those that were read. They are left alone, and are not in `jobs`. */
  newer: number;
}

export interface EstimateOptions {
  /** Milliseconds since the epoch, by Redis's clock [now]. */
  now?: number | undefined;
  /** The queues to look in [all that are known]. */
  queues?: readonly string[] | undefined;
  /** Whether a job that the filter selects is one that the action would change [every one is]. */
  isMeant?: (job: JobRecord) => boolean;
}

/**
 * Records that an estimate reads at most: reading 5,000 took 0.4 s on two slow cores, and the caller of a preview
 * waits for it.
 */
export const MOST_READ = 2500;
/** Records kept in memory at a time. */
const PAGE = 500;

/**
 * How many jobs a filter selects, for someone who is asked whether to change them. The cost does not depend on how
 * many there are. Up to 2,500 jobs are read and counted one by one, which is exact. Where there are more, the sizes of
 * the indexes are an upper bound if these hold all that the filter asks for; otherwise the first 2,500 jobs are read,
 * and those of them that match are a lower bound.
 * @throws InferError QUEUE_DAMAGED (69) if an index that is read cannot be.
 */
export async function estimateJobs(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
  options: EstimateOptions = {},
): Promise<JobEstimate> {
  const { isMeant = () => true } = options;
  const now = options.now ?? (await serverNow(client));
  const queues = options.queues ?? (await listQueues(client, prefix));
  const stretches = stretchesOf(prefix, filter, queues, now);
  const sizes = await Promise.all(stretches.map((stretch) => sizeOf(client, stretch)));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const filled = stretches.map((stretch, i) => ({ ...stretch, size: sizes[i] as number }));
  if (total > MOST_READ && filled.every((one) => one.size === 0 || !isResidual(filter, one))) {
    const byState: JobEstimate['byState'] = {};
    for (const { state, size } of filled) if (size > 0) byState[state] = (byState[state] ?? 0) + size;
    return { jobs: total, bound: 'most', byState, unread: total, newer: 0 };
  }
  const byState: JobEstimate['byState'] = {};
  let [jobs, newer, looked] = [0, 0, 0];
  let page: JobPage | undefined;
  do {
    const look = Math.min(PAGE, MOST_READ - looked);
    const paging = { limit: PAGE, look, cursor: page?.next, now, queues, toChange: true };
    page = await scanJobs(client, prefix, filter, paging);
    looked += page.looked;
    for (const job of page.jobs.filter(isMeant)) {
      if (job.newer !== undefined) newer += 1;
      else {
        byState[job.state] = (byState[job.state] ?? 0) + 1;
        jobs += 1;
      }
    }
  } while (page.next !== undefined && looked < MOST_READ);
  const unread = page.next === undefined ? 0 : Math.max(1, total - looked);
  return { jobs, bound: unread === 0 ? 'exact' : 'least', byState, unread, newer };
}

/** No more jobs than this are meant. */
export function mostOf({ jobs, bound, unread }: JobEstimate): number {
  return bound === 'least' ? jobs + unread : jobs;
}

/** At least this many jobs are meant. */
export function leastOf({ jobs, bound }: JobEstimate): number {
  return bound === 'most' ? 0 : jobs;
}
