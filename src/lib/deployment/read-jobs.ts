import type { LoadedSettings } from '../config/load.js';
import { InferError } from '../core/errors.js';
import type { JobFilter } from '../queue/read/job-filter.js';
import { countJobs, type JobCount, type JobOrder, scanJobs, sortJobs } from '../queue/read/job-list.js';
import type { JobRecord } from '../queue/types.js';
import { serverNow } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { withRedis } from '../redis/with-redis.js';
import { refuseUnknownNames } from './known-names.js';

export interface JobsPage extends JobCount {
  jobs: JobRecord[];
  looked: number;
  next: string | undefined;
  /** Others may belong here: the search ended before all were seen. */
  partial: boolean;
}

export interface PageWanted {
  sort: JobOrder | undefined;
  reverse: boolean;
  limit: number;
  cursor: string | undefined;
  /** Maximum number of records to look at for a page that is not sorted [10,000]. */
  look?: number | undefined;
}

/** A page of jobs, on its own connection; throws like `jobsPage`. */
export function readJobs(loaded: LoadedSettings, filter: JobFilter, wanted: PageWanted): Promise<JobsPage> {
  return withRedis(loaded, (client, prefix) => jobsPage(client, prefix, filter, wanted));
}

/**
 * The same on a given connection. @throws InferError CURSOR (2), QUEUE_UNKNOWN or similar (66) when nothing
 * is found for an unknown name.
 */
export async function jobsPage(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
  { sort, cursor, limit, reverse, look }: PageWanted,
): Promise<JobsPage> {
  if (sort !== undefined && cursor !== undefined) {
    throw new InferError('CURSOR', 'a sorted list has one page: --sort and --cursor do not go together', {
      hint: 'leave out --sort, or take more with --limit',
    });
  }
  const now = await serverNow(client);
  const [found, size] = await Promise.all([
    sort === undefined
      ? scanJobs(client, prefix, filter, {
          limit,
          cursor,
          reverse,
          now,
          ...(look === undefined ? {} : { look }),
        })
      : sortJobs(client, prefix, filter, { by: sort, limit, reverse, now }),
    countJobs(client, prefix, filter, now),
  ]);
  if (found.jobs.length === 0) await refuseUnknownNames(client, prefix, filter);
  const next = 'next' in found ? found.next : undefined;
  return {
    jobs: found.jobs,
    looked: found.looked,
    next,
    ...size,
    partial: 'partial' in found && found.partial,
  };
}
