import { missingId, otherKind } from '../queue/broker/unknown-id.js';
import { listQueues, locate } from '../queue/read/reader.js';
import type { RedisClient } from '../redis/types.js';

/** The queue that has an id. @throws InferError JOB_UNKNOWN, GROUP_UNKNOWN, JOB_LOST (66). */
export async function findId(
  client: RedisClient,
  prefix: string,
  id: string,
  kind: 'job' | 'group',
): Promise<string> {
  const place = await locate(client, prefix, id, await listQueues(client, prefix));
  if (place === undefined) throw await missingId(client, prefix, id, kind);
  if (place.kind !== kind) throw otherKind(id, kind);
  return place.queue;
}
