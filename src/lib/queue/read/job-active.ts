import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { fromJobData } from '../job-data.js';
import { bullBase } from '../keys.js';
import { listWorkers } from '../registry.js';
import type { JobRecord } from '../types.js';
import type { JobFilter } from './job-filter.js';
import { type SortedJobs, sortJobs } from './job-list.js';

/** A running job, and the worker that runs it. */
export interface ActiveJob extends JobRecord {
  /** Where it runs: `cuda:0`, `cpu`; null when its worker is no longer known. */
  device: string | null;
  /** Milliseconds until its lock expires unless renewed; null when it has expired: its worker is lost. */
  lockMs: number | null;
  /** Its own limit of run time, ms. */
  timeLimitMs?: number;
}

/** Running jobs, the longest-running first, with their locks; bounded like `sortJobs`. */
export async function listActive(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
  limit: number,
): Promise<Omit<SortedJobs, 'jobs'> & { jobs: ActiveJob[] }> {
  const [found, workers] = await Promise.all([
    sortJobs(client, prefix, { ...filter, states: ['active'] }, { by: 'run', limit }),
    listWorkers(client, prefix),
  ]);
  const devices = new Map(workers.map((worker) => [worker.name, worker.device]));
  const jobs = await Promise.all(
    found.jobs.map(async (job) => {
      const key = bullBase(prefix, job.queue) + job.id;
      const [left, data] = await Promise.all([
        client.pttl(`${key}:lock`),
        ifReadable(client.hget(key, 'data'), null),
      ]);
      const limit = fromJobData(data ?? '', job.id, job.queue)?.spec.timeLimitMs;
      return {
        ...job,
        device: devices.get(job.worker ?? '') ?? null,
        lockMs: left < 0 ? null : left,
        ...(limit === undefined ? {} : { timeLimitMs: limit }),
      };
    }),
  );
  return { ...found, jobs };
}
