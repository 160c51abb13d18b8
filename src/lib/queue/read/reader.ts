import { type JobState, mayBeJob, type Priority, printable } from '../../core/job.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable, numberOr } from '../../redis/wrong-type.js';
import { SENDER_LEASE_MS } from '../broker/group-life.js';
import { damageOfJob, findDamage, groupDamaged } from '../damage.js';
import { damagedRecord, JOB_FIELDS, namedFields, recordOf } from '../job-record.js';
import { bullBase, groupKey, queuesKey, queueTag } from '../keys.js';
import { LAYOUTS, layoutNewer, newerThan } from '../layout.js';
import type { GroupRecord, JobRecord } from '../types.js';
import { GROUP, JOB } from '../wire.js';

/** Names of all queues that ever received a job. */
export async function listQueues(client: RedisClient, prefix: string): Promise<string[]> {
  return (await client.hkeys(queuesKey(prefix))).sort();
}

/**
 * Finds the queue that holds a job or group: two lookups per queue, in one pipeline. Ids do not contain their
 * queue, so that callers can choose ids and a job can move. Undefined when unknown or expired.
 */
export async function locate(
  client: RedisClient,
  prefix: string,
  id: string,
  queues: readonly string[],
): Promise<{ queue: string; kind: 'job' | 'group' } | undefined> {
  if (!mayBeJob(id)) return undefined;
  const hits = await Promise.all(
    queues.map(async (queue) => {
      const [job, group] = await Promise.all([
        client.exists(bullBase(prefix, queue) + id),
        // After a data loss, there may be a record that is not a group yet (`early`).
        ifReadable(client.hexists(groupKey(queueTag(prefix, queue), id), GROUP.model), 1),
      ]);
      if (job === 1) return { queue, kind: 'job' as const };
      return group === 1 ? { queue, kind: 'group' as const } : undefined;
    }),
  );
  const found = hits.filter((hit) => hit !== undefined);
  if (found.length === 0) return locateDamaged(client, prefix, id, queues);
  if (found.length === 1) return found[0];
  // While a job is being moved it is in two queues: the copy has the field `mv`.
  const copies = await Promise.all(
    found.map(({ queue }) => ifReadable(client.hexists(bullBase(prefix, queue) + id, JOB.move), 0)),
  );
  return found[copies.indexOf(0)] ?? found[0];
}

/** A job that was set aside because its record had disappeared. */
async function locateDamaged(
  client: RedisClient,
  prefix: string,
  id: string,
  queues: readonly string[],
): Promise<{ queue: string; kind: 'job' } | undefined> {
  const known = await Promise.all(queues.map((queue) => damageOfJob(client, prefix, queue, id)));
  const queue = queues.find((_, i) => known[i] !== undefined);
  return queue === undefined ? undefined : { queue, kind: 'job' };
}

/**
 * Everything known of one job; undefined when it is unknown or its record has expired. A job whose record
 * cannot be read has failed with JOB_DAMAGED.
 */
export async function readJob(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<JobRecord | undefined> {
  const base = bullBase(prefix, queue);
  const [values, prioritized, delayed, completed, failed] = await Promise.all([
    ifReadable(client.hmget(base + id, ...JOB_FIELDS), undefined),
    ifReadable(client.zscore(`${base}prioritized`, id), null),
    ifReadable(client.zscore(`${base}delayed`, id), null),
    ifReadable(client.zscore(`${base}completed`, id), null),
    ifReadable(client.zscore(`${base}failed`, id), null),
  ]);
  const fields = namedFields(JOB_FIELDS, values ?? []);
  if (fields.data === undefined) return damagedJob(client, prefix, queue, id, values !== undefined);
  // If the fields do not show its end, it ended between these two reads: they still describe its run.
  const placed: JobState =
    prioritized !== null
      ? 'waiting'
      : delayed !== null
        ? 'delayed'
        : completed !== null && fields.finishedOn
          ? 'completed'
          : failed !== null && fields.finishedOn
            ? 'failed'
            : fields.processedOn
              ? 'active'
              : 'waiting';
  return recordOf(id, queue, fields, placed, delayed === null ? undefined : Number(delayed));
}

/** A job without data: a damaged one, or undefined if there is none. */
async function damagedJob(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
  isHash: boolean,
): Promise<JobRecord | undefined> {
  const known = await damageOfJob(client, prefix, queue, id);
  if (known !== undefined) return damagedRecord(id, queue, known.what, known.at);
  if (isHash) return undefined;
  return damagedRecord(
    id,
    queue,
    await findDamage(client, bullBase(prefix, queue) + id, 'its record', 'hash'),
  );
}

/**
 * The current state of a bulk submission; undefined when unknown or expired. @throws InferError
 * GROUP_DAMAGED, LAYOUT_NEWER.
 */
export async function readGroup(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<GroupRecord | undefined> {
  const key = groupKey(queueTag(prefix, queue), id);
  const fields = await ifReadable(client.hgetall(key), undefined);
  if (fields === undefined) throw groupDamaged(id, await findDamage(client, key, 'its record', 'hash'));
  const model = fields[GROUP.model];
  if (model === undefined) return undefined;
  const newer = newerThan(LAYOUTS, fields[GROUP.layout]);
  if (newer !== undefined) throw layoutNewer(`group ${printable(id)}`, newer);
  const damaged = GROUP_NUMBERS.find((name) => numberOr(fields[name] ?? '0', undefined) === undefined);
  if (damaged !== undefined) throw groupDamaged(id, `field ${damaged} of ${key} is not a number`);
  const jobs = Number(fields[GROUP.jobs] ?? fields[GROUP.added] ?? 0);
  const jobsCompleted = Number(fields[GROUP.completed] ?? 0);
  const jobsFailed = Number(fields[GROUP.failed] ?? 0);
  const closed = fields[GROUP.closed] === '1';
  const startAt = Number(fields[GROUP.start] ?? 0);
  const now = closed && startAt === 0 ? 0 : await serverNow(client);
  const submitterGoneMs = closed ? undefined : silentFor(fields, now);
  const finishedOn = fields[GROUP.finishedOn];
  const { [GROUP.owner]: owner, [GROUP.digest]: digest, [GROUP.content]: content } = fields;
  const over = closed && jobsCompleted + jobsFailed >= jobs;
  return {
    id,
    queue,
    model,
    priority: Number(fields[GROUP.priority]) as Priority,
    state:
      (over && fields[GROUP.abandoned] === '1') || (!closed && fields[GROUP.cancel] !== undefined)
        ? 'cancelled'
        : over
          ? jobsFailed > 0
            ? 'failed'
            : 'completed'
          : jobsCompleted + jobsFailed > 0
            ? 'active'
            : startAt > now
              ? 'delayed'
              : 'waiting',
    rows: Number(fields[GROUP.rows] ?? 0),
    jobs,
    closed,
    rowsDone: Number(fields[GROUP.rowsDone] ?? 0),
    jobsCompleted,
    jobsFailed,
    submittedAt: Number(fields[GROUP.timestamp]),
    ...(startAt > now ? { startAt } : {}),
    ...(submitterGoneMs === undefined ? {} : { submitterGoneMs }),
    ...(finishedOn === undefined ? {} : { finishedAt: Number(finishedOn) }),
    ...(fields[GROUP.cancel] === undefined ? {} : { cancelled: true as const }),
    ...(fields[GROUP.moved] === undefined ? {} : { moved: movedChunks(fields) }),
    ...(owner === undefined ? {} : { owner }),
    ...(digest === undefined ? {} : { digest }),
    ...(content === undefined ? {} : { content }),
  };
}

/** Numeric fields of a group. */
export const GROUP_NUMBERS = [
  GROUP.jobs,
  GROUP.added,
  GROUP.rows,
  GROUP.rowsDone,
  GROUP.completed,
  GROUP.failed,
  GROUP.priority,
  GROUP.timestamp,
  GROUP.start,
  GROUP.finishedOn,
];

/** Milliseconds since the last sign of life of any sender of a group; undefined while one is active. */
function silentFor(fields: Record<string, string>, now: number): number | undefined {
  const heard = Object.entries(fields).flatMap(([name, at]) =>
    name.startsWith(GROUP.sender) ? [numberOr(at, 0)] : [],
  );
  if (heard.length === 0) return undefined;
  const ago = now - Math.max(...heard);
  return ago > SENDER_LEASE_MS ? ago : undefined;
}

/** The queue of each moved chunk, by its number. */
function movedChunks(fields: Record<string, string>): Record<number, string> {
  const moved = Object.entries(fields).filter(([name]) => name.startsWith(GROUP.movedTo));
  return Object.fromEntries(moved.map(([name, queue]) => [Number(name.slice(GROUP.movedTo.length)), queue]));
}

/** The queue in which a chunk of a group is. */
export function queueOfChunk(group: Pick<GroupRecord, 'queue' | 'moved'>, index: number): string {
  return group.moved?.[index] ?? group.queue;
}
