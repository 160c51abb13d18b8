import { chunkId } from '../core/job.js';
import { listQueues, locate, queueOfChunk, readGroup } from '../queue/read/reader.js';
import type { GroupRecord } from '../queue/types.js';
import type { RedisClient } from '../redis/types.js';
import { missing } from './unknown-id.js';

/** Jobs that were named, with those of the groups that were. */
export interface NamedJobs {
  jobs: { id: string; queue: string }[];
  groups: GroupRecord[];
}

/** What ids name: a job, or all chunks of a group. @throws InferError JOB_UNKNOWN, JOB_LOST (66). */
export async function findJobs(
  client: RedisClient,
  prefix: string,
  ids: readonly string[],
): Promise<NamedJobs> {
  const queues = await listQueues(client, prefix);
  const jobs = new Map<string, string>();
  const groups: GroupRecord[] = [];
  for (const id of ids) {
    const place = await locate(client, prefix, id, queues);
    if (place === undefined) throw await missing(client, prefix, id);
    if (place.kind === 'job') {
      jobs.set(id, place.queue);
      continue;
    }
    const group = await readGroup(client, prefix, place.queue, id);
    if (group === undefined) throw await missing(client, prefix, id);
    groups.push(group);
    for (let index = 0; index < group.jobs; index++) jobs.set(chunkId(id, index), queueOfChunk(group, index));
  }
  return { jobs: [...jobs].map(([id, queue]) => ({ id, queue })), groups };
}
