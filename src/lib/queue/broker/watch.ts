import type { RedisClient } from '../../redis/types.js';
import { QueueScripts } from '../lua/script-client.js';

/** Return values of the script. */
const STANDINGS: Readonly<Record<string, 'pending' | 'ended' | 'newer'>> = {
  1: 'pending',
  0: 'ended',
  [-2]: 'newer',
};

/**
 * Registers a reply list with a job or group. Returns `pending` when a notice will come, `ended` when it has
 * already ended, `newer` when this release cannot read it, `unknown` when the id does not exist.
 */
export async function watchEnd(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
  list: string,
  kind: 'job' | 'group',
): Promise<'pending' | 'ended' | 'newer' | 'unknown'> {
  const scripts = new QueueScripts(client, prefix, queue);
  const reply = await scripts.run('inferWatch', id, list, kind);
  return STANDINGS[String(reply)] ?? 'unknown';
}
