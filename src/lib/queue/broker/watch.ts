import type { RedisClient } from '../../redis/types.js';
import { QueueScripts } from '../lua/script-client.js';

/** Answers of the script. */
const STANDINGS: Readonly<Record<string, 'pending' | 'ended' | 'newer'>> = {
  1: 'pending',
  0: 'ended',
  [-2]: 'newer',
};

/**
 * Registers a reply list with a job or group. Answers `pending` when a notice will come, `ended`
 * when it is over already, `newer` when this release cannot read it, `unknown` when there is none of that id.
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
