import { chunkId } from '../core/job.js';
import { missingId } from '../queue/broker/unknown-id.js';
import { listQueues, locate, queueOfChunk, readGroup } from '../queue/read/reader.js';
import type { GroupRecord } from '../queue/types.js';
import type { RedisClient } from '../redis/types.js';

/** A job and the queue it is in. */
export interface JobPlace {
  id: string;
  queue: string;
}

/** Where an id was found, and as what. */
export interface FoundPlace {
  queue: string;
  kind: 'job' | 'group';
}

type Named = { kind: 'job'; job: JobPlace } | { kind: 'group'; group: GroupRecord };

/** The jobs identified by ids: single jobs, and groups with all of their chunks. */
export interface NamedJobs {
  readonly named: readonly Named[];
  /** Total number of jobs, each counted once. */
  readonly total: number;
}

/** Jobs per page. */
const PAGE = 200;

/**
 * Looks up ids; reads one record per group, however many chunks it has.
 * @param known where the only id is: what a caller may change is changed, and nothing else of this id
 * @throws InferError JOB_UNKNOWN, JOB_LOST (66).
 */
export async function findNamedJobs(
  client: RedisClient,
  prefix: string,
  ids: readonly string[],
  known?: FoundPlace,
): Promise<NamedJobs> {
  const queues = known === undefined ? await listQueues(client, prefix) : [];
  const found: Named[] = [];
  for (const id of new Set(ids)) {
    const place = known ?? (await locate(client, prefix, id, queues));
    if (place === undefined) throw await missingId(client, prefix, id);
    if (place.kind === 'job') {
      found.push({ kind: 'job', job: { id, queue: place.queue } });
      continue;
    }
    const group = await readGroup(client, prefix, place.queue, id);
    if (group === undefined) throw await missingId(client, prefix, id);
    found.push({ kind: 'group', group });
  }
  const groups = found.flatMap((one) => (one.kind === 'group' ? [one.group] : []));
  // A chunk given in addition to its group is covered by the group.
  const named = found.filter(
    (one) => one.kind === 'group' || !groups.some((group) => isChunk(one.job.id, group)),
  );
  return { named, total: named.reduce((sum, one) => sum + (one.kind === 'job' ? 1 : one.group.jobs), 0) };
}

function isChunk(id: string, group: GroupRecord): boolean {
  const index = Number(id.slice(group.id.length + 1));
  return Number.isInteger(index) && index < group.jobs && id === chunkId(group.id, index);
}

/** The jobs in pages; chunks are generated while iterating. */
export function* pagesOf({ named }: NamedJobs, size = PAGE): Generator<JobPlace[]> {
  let page: JobPlace[] = [];
  for (const job of placesOf(named)) {
    page.push(job);
    if (page.length < size) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

function* placesOf(named: NamedJobs['named']): Generator<JobPlace> {
  for (const one of named) {
    if (one.kind === 'job') yield one.job;
    else
      for (let index = 0; index < one.group.jobs; index++)
        yield { id: chunkId(one.group.id, index), queue: queueOfChunk(one.group, index) };
  }
}

export function groupsOf({ named }: NamedJobs): GroupRecord[] {
  return named.flatMap((one) => (one.kind === 'group' ? [one.group] : []));
}

/** Jobs by queue, since a script handles one queue. */
export function byQueue(jobs: readonly JobPlace[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { id, queue } of jobs) {
    const ids = found.get(queue);
    if (ids === undefined) found.set(queue, [id]);
    else ids.push(id);
  }
  return found;
}
