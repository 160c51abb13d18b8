import type { RedisClient } from '../redis/types.js';
import { bullBase, cancelledKey, expiredKey, queueTag } from './keys.js';

/** What a queue's snapshot leaves out. */
export interface QueueCounters {
  /** Jobs that were ever added; jobs of other BullMQ code count too. */
  submitted: number;
  /** Expired and cancelled jobs whose records are still kept. */
  expired: number;
  cancelled: number;
}

/**
 * Reads them with read-only commands. BullMQ's `id` key numbers every job it adds, also those with an
 * id of their own: a counter of arrivals that nobody has to keep.
 */
export async function readQueueCounters(
  client: RedisClient,
  prefix: string,
  queue: string,
): Promise<QueueCounters> {
  const tag = queueTag(prefix, queue);
  const [added, expired, cancelled] = await Promise.all([
    client.get(`${bullBase(prefix, queue)}id`),
    client.zcard(expiredKey(tag)),
    client.zcard(cancelledKey(tag)),
  ]);
  return { submitted: Number(added ?? 0), expired, cancelled };
}
