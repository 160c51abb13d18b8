import { InferError } from '../../core/errors.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { namingDamage } from '../damage.js';
import { damagedRecord, JOB_FIELDS, LIST_FIELDS, namedFields, recordOf } from '../job-record.js';
import { bullBase } from '../keys.js';
import type { JobRecord } from '../types.js';
import { JOB } from '../wire.js';
import { ageOf, type JobFilter, matches } from './job-filter.js';
import { type Position, readStretch, type Stretch, sizeOf, stretchesOf } from './job-index.js';
import { listQueues } from './reader.js';

export interface JobPageOptions {
  /** Maximum number of jobs per page. */
  limit: number;
  /** `next` of the previous page, for the same filter and direction. */
  cursor?: string | undefined;
  /** Reverses the order. */
  reverse?: boolean;
  /** Maximum number of records to look at per page [10,000]. */
  look?: number;
  /** Milliseconds since the epoch [now]. */
  now?: number;
  /** The queues to look in [all that are known]. */
  queues?: readonly string[] | undefined;
  /**
   * The jobs are to be changed: an index of another type is an error. Otherwise it contains no jobs, and
   * `readDamage` reports it.
   */
  toChange?: boolean;
}

export interface JobPage {
  jobs: JobRecord[];
  /** Records looked at. */
  looked: number;
  /** Start of the next page; undefined when everything has been looked at. */
  next: string | undefined;
}

const MOST_LOOKED = 10_000;
/** The same when owners are needed: they are stored together with the inputs, which are up to 5 KB each. */
const MOST_LOOKED_WITH_DATA = 2000;
/** Records read per batch; each is about 300 bytes. */
const BATCH = 500;

/**
 * One page of the jobs that a filter selects, read-only: running jobs, then waiting jobs in the order in
 * which they will run, then ended jobs, the latest first. Its cost is bounded by `limit` and `look`, however
 * many jobs there are; with a selective filter, a page may contain fewer than `limit` jobs, even none, and
 * still have a next page. Jobs that keep their place are listed exactly once, whatever is added and removed
 * around them (in `active`, whose order changes, almost always). Records have neither group nor result TTL,
 * and an owner only if the filter names one.
 * @throws InferError CURSOR (exit 2), QUEUE_DAMAGED (69) if `toChange` is set.
 */
export async function scanJobs(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
  options: JobPageOptions,
): Promise<JobPage> {
  const { limit, reverse = false, look = mostLooked(filter), toChange = false } = options;
  const now = options.now ?? (await serverNow(client));
  const queues = options.queues ?? (await listQueues(client, prefix));
  const stretches = stretchesOf(prefix, filter, queues, now);
  if (reverse) stretches.reverse();
  let { at, position } = startOf(stretches, options.cursor, reverse);
  const jobs: JobRecord[] = [];
  let looked = 0;
  let reads = 0;
  // Reads count too: a set that changes faster than it can be read must not keep the loop going.
  while (at < stretches.length && jobs.length < limit && looked + reads < look) {
    const stretch = stretches[at] as Stretch;
    // One more than requested tells whether there is a next page.
    const wanted = isResidual(filter, stretch) ? BATCH : limit - jobs.length + 1;
    const n = Math.min(BATCH, wanted, look - looked);
    const reading = readStretch(client, stretch, position, n, reverse);
    const { entries, over } = toChange
      ? await namingDamage(client, prefix, stretch.queue, reading)
      : await ifReadable(reading, { entries: [], over: true });
    const records = await readRecords(
      client,
      prefix,
      stretch,
      entries.map((entry) => entry.id),
      filter,
    );
    let taken = 0;
    for (; taken < entries.length && jobs.length < limit; taken++) {
      const record = records[taken];
      position = entries[taken]?.position;
      if (record !== undefined && matches(filter, record, now)) jobs.push(record);
    }
    looked += taken;
    reads += 1;
    if (over && taken === entries.length) {
      at += 1;
      position = undefined;
    }
  }
  while (position === undefined && at < stretches.length) {
    if ((await sizeOf(client, stretches[at] as Stretch)) > 0) break;
    at += 1;
  }
  const here = stretches[at];
  return { jobs, looked, next: here === undefined ? undefined : encodeCursor(here, position, reverse) };
}

function mostLooked({ owner }: JobFilter): number {
  return owner === undefined ? MOST_LOOKED : MOST_LOOKED_WITH_DATA;
}

/** Whether the filter requires looking at each job of a stretch. */
export function isResidual(filter: JobFilter, { state }: Stretch): boolean {
  const waits = state === 'waiting';
  const ended = state !== 'active' && state !== 'delayed' && !waits;
  return (
    filter.models !== undefined ||
    filter.workers !== undefined ||
    filter.error !== undefined ||
    filter.owner !== undefined ||
    (filter.priorities !== undefined && !waits) ||
    (filter.olderThanMs !== undefined && !ended)
  );
}

export interface JobCount {
  /** Jobs that the filter may select. */
  total: number;
  /**
   * Whether all of these are selected and exist. Not when records must be checked, nor for ended jobs, whose
   * records expire a while before their index entries are removed.
   */
  exact: boolean;
}

/** How many jobs a filter selects, as far as the sizes of the indexes tell. */
export async function countJobs(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
  now?: number,
): Promise<JobCount> {
  const at = now ?? (await serverNow(client));
  const stretches = stretchesOf(prefix, filter, await listQueues(client, prefix), at);
  const sizes = await Promise.all(stretches.map((stretch) => sizeOf(client, stretch)));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const exact = stretches.every(
    (stretch, i) => sizes[i] === 0 || (!stretch.newestFirst && !isResidual(filter, stretch)),
  );
  return { total, exact };
}

/** The records for ids of one stretch, in their order; undefined for those that no longer exist. */
async function readRecords(
  client: RedisClient,
  prefix: string,
  { queue, state, part }: Stretch,
  ids: readonly string[],
  { owner }: JobFilter,
): Promise<(JobRecord | undefined)[]> {
  const base = bullBase(prefix, queue);
  const names = owner === undefined ? LIST_FIELDS : JOB_FIELDS;
  const read = async (id: string): Promise<JobRecord | undefined> => {
    const [values, score] = await Promise.all([
      ifReadable(client.hmget(base + id, ...names), undefined),
      part === 'delayed' ? ifReadable(client.zscore(base + part, id), null) : null,
    ]);
    if (values === undefined) return damagedRecord(id, queue, `its record ${base}${id} is not a hash`);
    const fields = namedFields<(typeof JOB_FIELDS)[number]>(names, values);
    // A job that was set aside because of a missing field has ended.
    if (fields.timestamp === undefined && fields[JOB.state] === undefined) return undefined;
    return recordOf(id, queue, fields, state, score === null ? undefined : Number(score));
  };
  return Promise.all(ids.map(read));
}

interface Cursor {
  /** Version, so that a cursor of another release is not misread. */
  v: 1;
  s: string;
  q: string;
  p: string;
  r: boolean;
  /** Score and id, or the offset in a list; null at the start of the stretch. */
  at: [number, string] | number | null;
}

function encodeCursor(stretch: Stretch, position: Position | undefined, reverse: boolean): string {
  const at =
    position === undefined
      ? null
      : 'offset' in position
        ? position.offset
        : ([position.score, position.id] as [number, string]);
  const cursor: Cursor = { v: 1, s: stretch.state, q: stretch.queue, p: stretch.part, r: reverse, at };
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

function startOf(
  stretches: readonly Stretch[],
  text: string | undefined,
  reverse: boolean,
): { at: number; position: Position | undefined } {
  if (text === undefined) return { at: 0, position: undefined };
  const cursor = decodeCursor(text);
  if (cursor === undefined) throw wrongCursor('the cursor cannot be read');
  const at = stretches.findIndex(
    ({ state, queue, part }) => state === cursor.s && queue === cursor.q && part === cursor.p,
  );
  if (at < 0 || cursor.r !== reverse) throw wrongCursor('the cursor is of a list with other filters');
  const position =
    cursor.at === null
      ? undefined
      : typeof cursor.at === 'number'
        ? { offset: cursor.at }
        : { score: cursor.at[0], id: cursor.at[1] };
  return { at, position };
}

function decodeCursor(text: string): Cursor | undefined {
  try {
    const cursor = JSON.parse(Buffer.from(text, 'base64url').toString()) as Partial<Cursor> | null;
    const { at } = cursor ?? {};
    const placed =
      at === null ||
      (typeof at === 'number' && Number.isSafeInteger(at) && at >= 0) ||
      (Array.isArray(at) && Number.isFinite(at[0]) && typeof at[1] === 'string');
    return cursor?.v === 1 && placed ? (cursor as Cursor) : undefined;
  } catch {
    return undefined;
  }
}

function wrongCursor(message: string): InferError {
  return new InferError('CURSOR', message, {
    hint: 'repeat the request that returned it with nothing changed but the cursor, or leave it out to start over',
  });
}

/** Sort orders of a list; each puts first what needs attention. */
export const JOB_ORDERS = ['age', 'priority', 'rows', 'run', 'attempts'] as const;
export type JobOrder = (typeof JOB_ORDERS)[number];

export interface SortedJobs {
  jobs: JobRecord[];
  looked: number;
  /** True when jobs that were not looked at might belong here. */
  partial: boolean;
}

/**
 * The first `limit` of the jobs that a filter selects, in an order: oldest, most urgent, most rows, longest
 * run or most attempts first. Reads the fronts of all indexes, 10,000 records in total or `limit` of each if
 * that is more. By age and priority, it is therefore exact for any number of jobs whose indexes keep that
 * order; otherwise it is exact for the records looked at.
 */
export async function sortJobs(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
  options: { by: JobOrder; limit: number; reverse?: boolean; now?: number },
): Promise<SortedJobs> {
  const { by, limit, reverse = false, now = await serverNow(client) } = options;
  const all = stretchesOf(prefix, filter, await listQueues(client, prefix), now, true);
  const sizes = await Promise.all(all.map((stretch) => sizeOf(client, stretch)));
  const stretches = all.filter((_, i) => (sizes[i] as number) > 0);
  const share = Math.max(limit, Math.floor(mostLooked(filter) / Math.max(1, stretches.length)));
  const found: JobRecord[] = [];
  let looked = 0;
  let partial = false;
  for (const stretch of stretches) {
    const ordered = inOrder(stretch, by);
    // From the end at which the wanted entries are; ended jobs are indexed the latest first.
    const backwards = ordered && by !== 'priority' && stretch.newestFirst !== reverse;
    const residual = isResidual(filter, stretch);
    let position: Position | undefined;
    let seen = 0;
    let kept = 0;
    let over = false;
    for (let reads = 0; !over && seen < share && reads < share; reads++) {
      if (ordered && kept >= limit) break;
      const n = Math.min(BATCH, share - seen, ordered && !residual ? limit - kept : BATCH);
      const page = await readStretch(client, stretch, position, n, backwards);
      const { entries } = page;
      position = entries.at(-1)?.position ?? position;
      const ids = entries.map((entry) => entry.id);
      const records = await readRecords(client, prefix, stretch, ids, filter);
      const meant = records.filter((job) => job !== undefined && matches(filter, job, now)) as JobRecord[];
      found.push(...meant);
      seen += entries.length;
      kept += meant.length;
      over = page.over;
    }
    looked += seen;
    if (!over && !(ordered && kept >= limit)) partial = true;
  }
  const order = (a: JobRecord, b: JobRecord) =>
    (rankValue(b, by, now) - rankValue(a, by, now)) * (reverse ? -1 : 1) || a.submittedAt - b.submittedAt;
  return { jobs: found.sort(order).slice(0, limit), looked, partial };
}

/** Whether the front of an index contains the first entries in the order. */
function inOrder({ state }: Stretch, by: JobOrder): boolean {
  if (by === 'age') return state !== 'delayed';
  return by === 'priority' ? state === 'waiting' : by === 'run' && state === 'active';
}

function rankValue(job: JobRecord, by: JobOrder, now: number): number {
  switch (by) {
    case 'age':
      return ageOf(job, now);
    case 'priority':
      return job.priority;
    case 'rows':
      return job.rows;
    case 'attempts':
      return job.attempts;
    default:
      return job.meta?.runMs ?? (job.state === 'active' ? ageOf(job, now) : 0);
  }
}
