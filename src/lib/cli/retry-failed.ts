import type { InferClient } from '../client/client.js';
import { findJobs } from '../client/find-jobs.js';
import type { LoadedSettings } from '../config/load.js';
import { refuseUnknownNames } from '../deployment/known-names.js';
import { Producer } from '../queue/broker/producer.js';
import type { JobFilter } from '../queue/read/job-filter.js';
import { scanJobs } from '../queue/read/job-list.js';
import { readJob } from '../queue/read/reader.js';
import type { JobRecord } from '../queue/types.js';
import { serverClock } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { withRedis } from '../redis/with-redis.js';
import { withClient } from './open-client.js';
import type { RetryWish } from './retry-wish.js';

const PAGE = 1000;
/** Jobs of a group that are looked at together. */
const TOGETHER = 200;
/** Jobs that a dry run names; all are counted. */
const JOBS_NAMED = 20;

/** What a retry would run again. */
export interface RetryPreview {
  /** Jobs by queue. */
  counts: Record<string, number>;
  /** The first of them. */
  jobs: JobRecord[];
}

/**
 * Puts the failed jobs that a filter means back to waiting; answers how many, by queue. They are
 * found first and put back then, since a set that shrinks while it is paged through would be read
 * with gaps; a job that is retried or forgotten meanwhile is not counted.
 * @param timeLimitMs their time limit from now on [the one they have]
 * @throws InferError QUEUE_UNKNOWN, MODEL_UNKNOWN, WORKER_UNKNOWN (66) when nothing is found for a
 * name that no one knows.
 */
export function retryFailed(
  loaded: LoadedSettings,
  filter: JobFilter,
  timeLimitMs: number | undefined,
): Promise<Record<string, number>> {
  return withRedis(loaded, async (client, prefix) => {
    const { ids: meant } = await failedJobs(client, prefix, filter);
    const retried = noneOf(filter);
    const producer = new Producer(client, prefix, serverClock(client));
    try {
      for (const [queue, ids] of meant) retried[queue] = await producer.retry(queue, ids, timeLimitMs);
    } finally {
      await producer.close();
    }
    return retried;
  });
}

/** What the same would do, read-only. @throws what `retryFailed` does, JOB_UNKNOWN (66) for an id. */
export function previewRetry(loaded: LoadedSettings, wish: RetryWish): Promise<RetryPreview> {
  if ('id' in wish)
    return withClient(loaded, false, (client) => failedOf(client, loaded.values.prefix, wish.id));
  return withRedis(loaded, async (client, prefix) => {
    const counts = noneOf(wish.filter);
    const { ids, first } = await failedJobs(client, prefix, wish.filter);
    for (const [queue, some] of ids) counts[queue] = some.length;
    return { counts, jobs: first };
  });
}

async function failedOf({ redis }: InferClient, prefix: string, id: string): Promise<RetryPreview> {
  const { jobs } = await findJobs(redis, prefix, [id]);
  const counts: Record<string, number> = {};
  const first: JobRecord[] = [];
  for (let from = 0; from < jobs.length; from += TOGETHER) {
    const some = jobs.slice(from, from + TOGETHER);
    for (const job of await Promise.all(some.map((one) => readJob(redis, prefix, one.queue, one.id)))) {
      if (job === undefined) continue;
      counts[job.queue] ??= 0;
      if (job.state !== 'failed') continue;
      counts[job.queue] = (counts[job.queue] as number) + 1;
      if (first.length < JOBS_NAMED) first.push(job);
    }
  }
  return { counts, jobs: first };
}

/** The queues that were named, each with no job yet. */
function noneOf({ queues = [] }: JobFilter): Record<string, number> {
  return Object.fromEntries(queues.map((name) => [name, 0]));
}

interface FailedJobs {
  /** Of all, by queue: of a million, whole records would not fit. */
  ids: Map<string, string[]>;
  first: JobRecord[];
}

/** The last that failed first. */
async function failedJobs(client: RedisClient, prefix: string, filter: JobFilter): Promise<FailedJobs> {
  const found: FailedJobs = { ids: new Map(), first: [] };
  let cursor: string | undefined;
  do {
    const page = await scanJobs(client, prefix, filter, { limit: PAGE, cursor, reverse: true });
    for (const job of page.jobs) {
      const ids = found.ids.get(job.queue);
      if (ids === undefined) found.ids.set(job.queue, [job.id]);
      else ids.push(job.id);
      if (found.first.length < JOBS_NAMED) found.first.push(job);
    }
    cursor = page.next;
  } while (cursor !== undefined);
  if (found.first.length === 0) await refuseUnknownNames(client, prefix, filter);
  return found;
}
