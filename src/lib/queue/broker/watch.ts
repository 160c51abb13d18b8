import type { RedisClient } from '../../redis/types.js';
import { QueueScripts } from '../lua/script-client.js';

/**
 * Registers a reply list with a job or group. Answers `pending` when a notice will come, `ended`
 * when it is over already, `unknown` when there is none of that id.
 */
export async function watchEnd(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
  list: string,
  kind: 'job' | 'group',
): Promise<'pending' | 'ended' | 'unknown'> {
  const scripts = new QueueScripts(client, prefix, queue);
  const reply = await scripts.run('inferWatch', id, list, kind);
  return reply === 1 ? 'pending' : reply === 0 ? 'ended' : 'unknown';
}
