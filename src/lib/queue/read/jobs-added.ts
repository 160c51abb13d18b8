import type { RedisClient } from '../../redis/types.js';
import { ifReadable, numberOr } from '../../redis/wrong-type.js';
import { bullBase } from '../keys.js';

/**
 * Number of jobs ever added to a queue, including those of other BullMQ code: BullMQ's `id` key counts every
 * job it adds, even one with a custom id. A counter of arrivals that needs no upkeep.
 */
export async function jobsAdded(client: RedisClient, prefix: string, queue: string): Promise<number> {
  return numberOr(await ifReadable(client.get(`${bullBase(prefix, queue)}id`), null), 0);
}
