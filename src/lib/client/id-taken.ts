import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { fromJobData } from '../queue/job-data.js';
import { bullBase, groupKey, queueTag } from '../queue/keys.js';
import { listQueues, locate } from '../queue/read/reader.js';
import type { JobSpec } from '../queue/types.js';
import { GROUP } from '../queue/wire.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable } from '../redis/wrong-type.js';

/** What a submit expects under an id. */
export type WantedId = Pick<JobSpec, 'owner' | 'digest'> & { queue: string; kind: 'job' | 'group' };

/**
 * A caller's id identifies one thing. In its own queue, sending it again means the same job; in another
 * queue, or as a group instead of a job, it would create a second thing with that id. It is also refused if
 * someone else submitted it, without further details, or if both requests have a digest and these differ.
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
  const hint =
    found.kind === wanted.kind
      ? `send it to the same queue (-Q ${found.queue}) if you mean the same ${found.kind}, or use another --id`
      : 'use another --id: a job and a group cannot have the same id';
  throw new InferError('ID_TAKEN', `${printable(id)} is already a ${found.kind} in queue ${found.queue}`, {
    hint,
  });
}

/**
 * Compares the job or group of an id with the request. Also called after adding it: two requests may have
 * added the same id at the same moment, and one of them found it there.
 * @throws InferError ID_TAKEN (2)
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

/**
 * Whether chunks that were just queued are those of their group. Their ids are the group's with a number, and
 * a caller may have given one to a job or group of its own; then no chunk was queued under it, and the group
 * would never end.
 * @param group whose id a caller chose
 * @throws InferError ID_TAKEN (2)
 */
export async function refuseForeignChunks(
  client: RedisClient,
  prefix: string,
  group: JobSpec,
  chunks: readonly JobSpec[],
): Promise<void> {
  const { queue: home } = group;
  const others = (await listQueues(client, prefix)).filter((queue) => queue !== home);
  const key = groupKey(queueTag(prefix, home), group.id);
  const [begun, early] = await ifReadable(client.hmget(key, GROUP.timestamp, GROUP.early), []);
  const isGroup = (queue: string, id: string) =>
    ifReadable(client.hexists(groupKey(queueTag(prefix, queue), id), GROUP.model), 0);
  await Promise.all(
    chunks.map(async ({ id, digest }) => {
      const [fields, ...elsewhere] = await Promise.all([
        ifReadable(client.hmget(bullBase(prefix, home) + id, 'data', 'finishedOn'), []),
        isGroup(home, id),
        ...others.flatMap((queue) => [client.exists(bullBase(prefix, queue) + id), isGroup(queue, id)]),
      ]);
      if (elsewhere.some((found) => found === 1)) throw chunkTaken(group.id, id);
      const [data, finishedOn] = fields;
      // It has ended already, and was not to be kept.
      if (data === null || data === undefined) return;
      const there = fromJobData(data, id, home)?.spec;
      const isOurs = there?.group?.id === group.id && there.owner === group.owner;
      // Of a group of this id whose record has expired. Where Redis lost the record, chunks may end before it
      // is there again.
      const isOlder = finishedOn != null && !early && Number(finishedOn) < Number(begun ?? 0);
      if (!isOurs || isOlder) throw chunkTaken(group.id, id);
      if (digest !== undefined && there.digest !== digest) throw takenByAnother(group.id);
    }),
  );
}

function chunkTaken(group: string, id: string): InferError {
  const text = `a job of group ${printable(group)} would be ${printable(id)}, which is taken`;
  return new InferError('ID_TAKEN', text, { hint: 'send the rows under another id' });
}

/** ID_TAKEN for an id of another owner; does not reveal what it is. */
export function takenByOther(id: string): InferError {
  return new InferError('ID_TAKEN', `${printable(id)} is taken`, { hint: 'take another id' });
}

/** ID_TAKEN: the same submitter sent another request under it. */
export function takenByAnother(id: string): InferError {
  return new InferError('ID_TAKEN', `${printable(id)} was submitted with another input or other options`, {
    hint: 'send the same request if you mean the same job, or use another id',
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
  const key = groupKey(queueTag(prefix, queue), id);
  const [owner, digest, model] = await ifReadable(
    client.hmget(key, GROUP.owner, GROUP.digest, GROUP.model),
    [],
  );
  if (model === null || model === undefined) return undefined;
  return { owner: owner ?? undefined, digest: digest ?? undefined };
}
