import type { JobFilter } from '../queue/read/job-filter.js';
import { type JobPage, scanJobs } from '../queue/read/job-list.js';
import type { JobRecord } from '../queue/types.js';
import type { OperationContext } from './operation.js';

/** Records per page. */
const PAGE = 1000;

/**
 * Jobs selected by a filter at a point in time, page by page; stops between two pages when the signal fires.
 * @throws InferError QUEUE_DAMAGED (69) if an index of such jobs cannot be read.
 * @param at milliseconds since the epoch, by Redis's clock: jobs submitted later are not included
 */
export async function* scanned(
  filter: JobFilter,
  at: number,
  { client, prefix, signal }: OperationContext,
  reverse = false,
): AsyncGenerator<JobRecord[]> {
  let page: JobPage | undefined;
  do {
    signal.throwIfAborted();
    const options = { limit: PAGE, cursor: page?.next, reverse, now: at, toChange: true };
    page = await scanJobs(client, prefix, filter, options);
    yield page.jobs.filter(({ submittedAt }) => submittedAt <= at);
  } while (page.next !== undefined);
}
