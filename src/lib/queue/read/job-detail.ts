import type { RedisClient } from '../../redis/types.js';
import { ifReadable, numberOr } from '../../redis/wrong-type.js';
import type { ResultSource } from '../broker/result-store.js';
import { fromJobData } from '../job-data.js';
import { bullBase, inputKey, queueTag } from '../keys.js';
import type { JobRecord } from '../types.js';
import { JOB } from '../wire.js';
import { readJob } from './reader.js';
import { type Timeline, timelineOf } from './timeline.js';

/** Something kept in Redis: its size and remaining lifetime; null = until the job ends. */
export interface Kept {
  bytes: number;
  expiresInMs: number | null;
}

/** Everything known of one job except its payload. */
export interface JobDetail extends JobRecord {
  /** Failed runs and lost workers, since it was submitted or retried manually. */
  failures: number;
  losses: number;
  cancelAsked: boolean;
  /** Milliseconds since the epoch after which it no longer starts. */
  deadline?: number;
  /** Maximum number of attempts. */
  attemptsAllowed?: number;
  timeLimitMs?: number;
  /** Of an active job: milliseconds until its lock expires unless renewed; null when it has expired. */
  lockMs?: number | null;
  /** Undefined when it is no longer kept. */
  input?: Kept;
  result?: Kept;
  /** Milliseconds until the record expires; null until the job has ended. */
  recordExpiresInMs: number | null;
  timeline: Timeline;
}

/**
 * One job with everything known about it, read-only. Undefined when it is unknown or its record has
 * expired.
 */
export async function readJobDetail(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
  results: ResultSource,
): Promise<JobDetail | undefined> {
  const key = bullBase(prefix, queue) + id;
  const own = inputKey(queueTag(prefix, queue), id);
  const [job, [data, atm, stc, cr, tl], ttl, lock, ownBytes, ownTtl] = await Promise.all([
    readJob(client, prefix, queue, id),
    ifReadable(client.hmget(key, 'data', JOB.attemptsMade, JOB.stalls, JOB.cancel, JOB.timeline), []),
    client.pttl(key),
    client.pttl(`${key}:lock`),
    ifReadable(client.strlen(own), 0),
    client.pttl(own),
  ]);
  if (job === undefined) return undefined;
  const parsed = data ? fromJobData(data, id, queue) : undefined;
  const spec = parsed?.spec;
  const inline = parsed?.input?.byteLength ?? 0;
  const ended = job.finishedAt !== undefined && job.state !== 'waiting' && job.state !== 'delayed';
  const result = ended ? await results.measure(queue, id, job.endedBy ?? '') : undefined;
  const expires = (ms: number) => (ms < 0 ? null : ms);
  const input =
    ownBytes > 0
      ? { bytes: ownBytes, expiresInMs: expires(ownTtl) }
      : inline > 0
        ? { bytes: inline, expiresInMs: expires(ttl) }
        : undefined;
  return {
    ...job,
    failures: failuresOf(job, numberOr(atm, 0)),
    losses: numberOr(stc, 0),
    cancelAsked: Boolean(cr),
    ...(spec?.deadline === undefined ? {} : { deadline: spec.deadline }),
    ...(spec?.attempts === undefined ? {} : { attemptsAllowed: spec.attempts }),
    ...(spec?.timeLimitMs === undefined ? {} : { timeLimitMs: spec.timeLimitMs }),
    ...(job.state === 'active' ? { lockMs: expires(lock) } : {}),
    ...(input === undefined ? {} : { input }),
    ...(result === undefined ? {} : { result }),
    recordExpiresInMs: expires(ttl),
    timeline: timelineOf(job, tl ?? undefined),
  };
}

/** BullMQ counts all ended runs, including a successful last one. */
function failuresOf({ state, meta }: JobRecord, ends: number): number {
  const well = state !== 'failed' && meta !== undefined;
  return Math.max(0, ends - (well ? 1 : 0));
}

/** Whether a job's input is still kept, without reading one that has a key of its own. */
export async function isInputKept(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<boolean> {
  const [own, data] = await Promise.all([
    client.exists(inputKey(queueTag(prefix, queue), id)),
    ifReadable(client.hget(bullBase(prefix, queue) + id, 'data'), null),
  ]);
  return own === 1 || (data !== null && fromJobData(data, id, queue)?.input !== undefined);
}

/** A job's input envelope; undefined when it is no longer kept. Read only on request. */
export async function readInput(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<Buffer | undefined> {
  const [data, own] = await Promise.all([
    ifReadable(client.hget(bullBase(prefix, queue) + id, 'data'), null),
    ifReadable(client.getBuffer(inputKey(queueTag(prefix, queue), id)), null),
  ]);
  return (data === null ? undefined : fromJobData(data, id, queue)?.input) ?? own ?? undefined;
}
