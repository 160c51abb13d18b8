import type { RedisClient } from '../../redis/types.js';
import type { JobRecord } from '../types.js';
import { estimateJobs, type JobEstimate } from './job-estimate.js';
import type { JobFilter } from './job-filter.js';
import { type JobPage, scanJobs } from './job-list.js';

export interface FailedPages {
  /** Milliseconds since the epoch, by Redis's clock: jobs that failed at or after it are not included. */
  until: number;
  /** Maximum number of jobs per page. */
  limit: number;
  /** Ends it between two pages. */
  signal?: AbortSignal | undefined;
}

/**
 * The failed jobs that a filter selects, to be retried, page by page, oldest failure first. A job that is retried
 * and fails again meanwhile is not met again, however fast it fails: the index is read up to `until`.
 * @throws InferError QUEUE_DAMAGED (69).
 */
export async function* failedPages(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
  { until, limit, signal }: FailedPages,
): AsyncGenerator<JobRecord[]> {
  const queues = queuesOf(filter);
  let page: JobPage | undefined;
  do {
    signal?.throwIfAborted();
    const options = { limit, cursor: page?.next, reverse: true, now: until, queues, toChange: true };
    page = await scanJobs(client, prefix, ended(filter), options);
    yield page.jobs;
  } while (page.next !== undefined);
}

/**
 * How many jobs these pages have.
 * @throws InferError QUEUE_DAMAGED (69).
 */
export function estimateFailed(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
  until: number,
): Promise<JobEstimate> {
  return estimateJobs(client, prefix, ended(filter), { now: until, queues: queuesOf(filter) });
}

/** With an age, only jobs that failed before `until` are selected. */
function ended(filter: JobFilter): JobFilter {
  return { ...filter, olderThanMs: filter.olderThanMs ?? 0 };
}

/** Also those that Redis has forgotten the names of. */
function queuesOf({ queues }: JobFilter): readonly string[] | undefined {
  return queues && [...new Set(queues)];
}
