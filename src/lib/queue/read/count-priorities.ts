import { MAX_PRIORITY, toBullPriority } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { PRIORITY_STEP } from '../wire.js';

/** Waiting jobs with a priority in a queue, by priority 0..9; `base` is its `bullBase`. */
export function countPriorities(client: RedisClient, base: string): Promise<number[]> {
  const counts = Array.from({ length: MAX_PRIORITY + 1 }, (_, priority) => {
    const from = toBullPriority(priority) * PRIORITY_STEP;
    return ifReadable(client.zcount(`${base}prioritized`, from, from + PRIORITY_STEP - 1), 0);
  });
  return Promise.all(counts);
}
