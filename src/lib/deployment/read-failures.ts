import type { JobFilter } from '../queue/read/job-filter.js';
import { countJobs, scanJobs } from '../queue/read/job-list.js';
import { listQueues } from '../queue/read/reader.js';
import type { JobRecord } from '../queue/types.js';
import { serverNow } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { type FailureGroup, groupFailures } from './failures.js';

/** Failures looked at in all queues together, and at least in each, the latest first. */
const LOOKED = 2000;
const LOOKED_EACH = 20;

export interface Failures {
  /** With the models that failed. */
  groups: (FailureGroup & { models: string[] })[];
  looked: number;
  /** Failed jobs of these queues. */
  total: number;
}

/**
 * The latest failures of each queue, grouped by error; its cost is bounded, however many there are.
 * @param filter `states` is not read: it is about failed jobs
 */
export async function readFailures(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
): Promise<Failures> {
  const now = await serverNow(client);
  const failed: JobFilter = { ...filter, states: ['failed'] };
  const queues = filter.queues ?? (await listQueues(client, prefix));
  const counts = await Promise.all(
    queues.map((queue) => countJobs(client, prefix, { ...failed, queues: [queue] }, now)),
  );
  const some = queues.filter((_, i) => (counts[i]?.total ?? 0) > 0);
  const share = Math.max(LOOKED_EACH, Math.floor(LOOKED / Math.max(1, some.length)));
  const jobs: JobRecord[] = [];
  let looked = 0;
  for (const queue of some) {
    const only = { ...failed, queues: [queue] };
    const page = await scanJobs(client, prefix, only, { limit: share, look: share, now, queues: [queue] });
    jobs.push(...page.jobs);
    looked += page.looked;
  }
  jobs.sort((a, b) => (b.finishedAt ?? 0) - (a.finishedAt ?? 0));
  const models = new Map<string, Set<string>>();
  for (const { failure, model } of jobs) {
    if (model === undefined) continue;
    const code = failure?.code ?? '';
    models.set(code, (models.get(code) ?? new Set()).add(model));
  }
  const groups = groupFailures(jobs).map((group) => ({
    ...group,
    models: [...(models.get(group.code) ?? [])].sort(),
  }));
  return { groups, looked, total: counts.reduce((sum, { total }) => sum + total, 0) };
}
