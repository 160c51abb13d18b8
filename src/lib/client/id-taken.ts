import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { listQueues, locate } from '../queue/read/reader.js';
import type { RedisClient } from '../redis/types.js';

/**
 * A caller's id identifies one thing. In its own queue, sending it again means the same job; in another
 * queue, or as a group instead of a job, it would create a second thing with that id.
 * @throws InferError ID_TAKEN (2)
 */
export async function refuseTaken(
  client: RedisClient,
  prefix: string,
  id: string,
  wanted: { queue: string; kind: 'job' | 'group' },
): Promise<void> {
  const found = await locate(client, prefix, id, await listQueues(client, prefix));
  if (found === undefined || (found.queue === wanted.queue && found.kind === wanted.kind)) return;
  throw new InferError('ID_TAKEN', `${printable(id)} is already a ${found.kind} in queue ${found.queue}`, {
    hint: `send it to the same queue (-Q ${found.queue}) to mean the same ${found.kind}, or take another --id`,
  });
}
