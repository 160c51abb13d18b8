import type { LoadedSettings } from '../config/load.js';
import type { JobFilter } from '../queue/read/job-filter.js';
import { sortJobs } from '../queue/read/job-list.js';
import { withRedis } from '../redis/with-redis.js';
import { type FailureGroup, groupFailures } from './failures.js';
import { type JobsPage, jobsPage } from './read-jobs.js';

/** Number of jobs in the summary. */
const SAMPLE = 2000;

interface Failed {
  page: JobsPage;
  groups: FailureGroup[];
  /** Jobs counted in the summary. */
  sampled: number;
}

/** A page of failed jobs and a summary by error of the last 2,000. */
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
