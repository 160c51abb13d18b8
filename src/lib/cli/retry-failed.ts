import type { LoadedSettings } from '../config/load.js';
import { systemClock } from '../core/clock.js';
import type { JobFilter } from '../queue/job-filter.js';
import { scanJobs } from '../queue/job-list.js';
import { Producer } from '../queue/producer.js';
import type { RedisClient } from '../redis/types.js';
import { refuseUnknownNames } from './inspect/known-names.js';
import { withRedis } from './with-redis.js';

const PAGE = 1000;

/**
 * Puts the failed jobs that a filter means back to waiting; answers how many, by queue. They are
 * found first and put back then, since a set that shrinks while it is paged through would be read
 * with gaps; a job that is retried or forgotten meanwhile is not counted.
 * @throws InferError QUEUE_UNKNOWN, MODEL_UNKNOWN, WORKER_UNKNOWN (66) when nothing is found for a
 * name that nobody knows.
 */
export function retryFailed(loaded: LoadedSettings, filter: JobFilter): Promise<Record<string, number>> {
  return withRedis(loaded, async (client, prefix) => {
    const meant = await failedIds(client, prefix, filter);
    if (meant.size === 0) await refuseUnknownNames(client, prefix, filter);
    const retried: Record<string, number> = Object.fromEntries(
      (filter.queues ?? []).map((name) => [name, 0]),
    );
    const producer = new Producer(client, prefix, systemClock);
    try {
      for (const [queue, ids] of meant) retried[queue] = await producer.retry(queue, ids);
    } finally {
      await producer.close();
    }
    return retried;
  });
}

async function failedIds(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  let cursor: string | undefined;
  do {
    const page = await scanJobs(client, prefix, filter, { limit: PAGE, cursor, reverse: true });
    for (const { id, queue } of page.jobs) {
      const ids = found.get(queue) ?? [];
      ids.push(id);
      found.set(queue, ids);
    }
    cursor = page.next;
  } while (cursor !== undefined);
  return found;
}
