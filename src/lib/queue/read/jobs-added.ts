import type { RedisClient } from '../../redis/types.js';
import { ifReadable, numberOr } from '../../redis/wrong-type.js';
import { bullBase } from '../keys.js';

/**
 * Jobs that were ever added to a queue, those of other BullMQ code among them: BullMQ's `id` key numbers
 * every job it adds, also one with an id of its own. A counter of arrivals that no one has to keep.
 */
export async function jobsAdded(client: RedisClient, prefix: string, queue: string): Promise<number> {
  return numberOr(await ifReadable(client.get(`${bullBase(prefix, queue)}id`), null), 0);
}
