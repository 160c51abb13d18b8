import type { LoadedSettings } from '../config/load.js';
import type { JobFilter } from '../queue/read/job-filter.js';
import { sortJobs } from '../queue/read/job-list.js';
import { withRedis } from '../redis/with-redis.js';
import { type FailureGroup, groupFailures } from './failures.js';
import { type JobsPage, jobsPage } from './read-jobs.js';

/** Jobs the summary counts. */
const SAMPLE = 2000;

interface Failed {
  page: JobsPage;
  groups: FailureGroup[];
  /** Jobs the summary counted. */
  sampled: number;
}

/** A page of failed jobs and, by error, the last 2,000 of them. */
export async function readFailed(
  loaded: LoadedSettings,
  filter: JobFilter,
  wanted: { reverse: boolean; limit: number; cursor: string | undefined },
): Promise<Failed> {
  return withRedis(loaded, async (client, prefix) => {
    const page = await jobsPage(client, prefix, filter, { ...wanted, sort: undefined });
    const last = { by: 'age', reverse: true, limit: SAMPLE } as const;
    const sample = await sortJobs(client, prefix, filter, last);
    return { page, groups: groupFailures(sample.jobs), sampled: sample.jobs.length };
  });
}
