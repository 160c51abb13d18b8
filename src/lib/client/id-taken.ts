import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { fromJobData } from '../queue/job-data.js';
import { bullBase, groupKey, queueTag } from '../queue/keys.js';
import { listQueues, locate } from '../queue/read/reader.js';
import type { JobSpec } from '../queue/types.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable } from '../redis/wrong-type.js';

/** What a submit wants an id to name. */
export type WantedId = Pick<JobSpec, 'owner' | 'digest'> & { queue: string; kind: 'job' | 'group' };

/**
 * A caller's id identifies one thing. In its own queue, sending it again means the same job; in another
 * queue, or as a group instead of a job, it would create a second thing with that id. Nor is it the same when someone else
 * submitted it, of which no more is told, or when the request was another one, where both have a digest.
 * @throws InferError ID_TAKEN (2)
 */
export async function refuseTaken(
  client: RedisClient,
  prefix: string,
  id: string,
  wanted: WantedId,
): Promise<void> {
  const found = await locate(client, prefix, id, await listQueues(client, prefix));
  if (found === undefined) return;
  await refuseOthers(client, prefix, id, { ...wanted, ...found });
  if (found.queue === wanted.queue && found.kind === wanted.kind) return;
  throw new InferError('ID_TAKEN', `${printable(id)} is already a ${found.kind} in queue ${found.queue}`, {
    hint: `send it to the same queue (-Q ${found.queue}) to mean the same ${found.kind}, or take another --id`,
  });
}

/**
 * Holds what is in Redis under an id against who sends it: also after it was added, since two may have added it at the same
 * moment, and one of them found it there. @throws InferError ID_TAKEN (2)
 */
export async function refuseOthers(
  client: RedisClient,
  prefix: string,
  id: string,
  { queue, kind, owner, digest }: WantedId,
): Promise<void> {
  const there = await submitted(client, prefix, id, queue, kind);
  if (there === undefined) return;
  if (there.owner !== owner) throw takenByOther(id);
  if (digest !== undefined && there.digest !== digest) throw takenByAnother(id);
}

/** ID_TAKEN: someone else has it, and what it is is theirs to know. */
export function takenByOther(id: string): InferError {
  return new InferError('ID_TAKEN', `${printable(id)} is taken`, { hint: 'take another id' });
}

/** ID_TAKEN: the same submitter sent something else under it. */
export function takenByAnother(id: string): InferError {
  return new InferError('ID_TAKEN', `${printable(id)} was submitted with another input or other options`, {
    hint: 'send the same request to mean the same job, or take another id',
  });
}

async function submitted(
  client: RedisClient,
  prefix: string,
  id: string,
  queue: string,
  kind: 'job' | 'group',
): Promise<Pick<JobSpec, 'owner' | 'digest'> | undefined> {
  if (kind === 'job') {
    const data = await ifReadable(client.hget(bullBase(prefix, queue) + id, 'data'), null);
    return data === null ? undefined : (fromJobData(data, id, queue)?.spec ?? {});
  }
  const fields = await ifReadable(
    client.hmget(groupKey(queueTag(prefix, queue), id), 'owner', 'digest', 'model'),
    [],
  );
  const [owner, digest, model] = fields;
  if (model === null || model === undefined) return undefined;
  return { owner: owner ?? undefined, digest: digest ?? undefined };
}
