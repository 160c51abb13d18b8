import type { FailureRecord } from '../../core/errors.js';
import { chunkId, type JobState } from '../../core/job.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { damagedRecord, LIST_FIELDS, namedFields, recordOf } from '../job-record.js';
import { bullBase, groupKey, queueTag } from '../keys.js';
import type { GroupRecord, JobRecord } from '../types.js';
import { JOB } from '../wire.js';
import { queueOfChunk, readGroup } from './reader.js';

/** A chunk without a complete result, and why. */
export interface FailedChunk {
  id: string;
  index: number;
  state: JobState;
  finishedAt: number;
  attempts: number;
  failure: FailureRecord;
}

/** A bulk submission with its chunks. */
export interface GroupDetail extends GroupRecord {
  /** Number of chunks looked at: all, or the first 10,000. */
  looked: number;
  /** Their number by state; `gone` chunks no longer have a record. */
  chunks: Record<JobState | 'gone', number>;
  /** Up to 20 that failed, expired or were cancelled, by number. */
  failed: FailedChunk[];
  /** Ends of chunks by error code, most first. */
  errors: { code: string; chunks: number; example: string }[];
  firstStartAt?: number;
  lastEndAt?: number;
  /**
   * Rows per second: over the last minute while it runs, over its whole run once it has ended; null when
   * unknown.
   */
  rowsPerSecond: number | null;
  /** Milliseconds until its last row at that rate; null when unknown or ended. */
  etaMs: number | null;
  /** Milliseconds until the group expires; null while that is not determined. */
  expiresInMs: number | null;
}

const MOST_CHUNKS = 10_000;
const BATCH = 500;
const MOST_FAILED = 20;
const RATE_WINDOW_MS = 60_000;

/** Reads a group and its chunks, at most 10,000; undefined when unknown or expired. */
export async function readGroupDetail(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<GroupDetail | undefined> {
  const [now, group, ttl] = await Promise.all([
    serverNow(client),
    readGroup(client, prefix, queue, id),
    client.pttl(groupKey(queueTag(prefix, queue), id)),
  ]);
  if (group === undefined) return undefined;
  const looked = Math.min(group.jobs, MOST_CHUNKS);
  const chunks: GroupDetail['chunks'] = {
    waiting: 0,
    delayed: 0,
    active: 0,
    completed: 0,
    failed: 0,
    expired: 0,
    cancelled: 0,
    gone: 0,
  };
  const failed: FailedChunk[] = [];
  const errors = new Map<string, { chunks: number; example: string }>();
  let firstStartAt: number | undefined;
  let lastEndAt: number | undefined;
  let recentRows = 0;
  for (let from = 0; from < looked; from += BATCH) {
    const indices = Array.from({ length: Math.min(BATCH, looked - from) }, (_, i) => from + i);
    const records = await Promise.all(
      indices.map((index) => readChunk(client, prefix, queueOfChunk(group, index), chunkId(id, index))),
    );
    for (const [i, job] of records.entries()) {
      chunks[job?.state ?? 'gone'] += 1;
      if (job === undefined) continue;
      const { startedAt, finishedAt, failure, state } = job;
      if (startedAt !== undefined) firstStartAt = Math.min(firstStartAt ?? startedAt, startedAt);
      if (finishedAt === undefined) continue;
      lastEndAt = Math.max(lastEndAt ?? finishedAt, finishedAt);
      if (state === 'completed') {
        if (finishedAt > now - RATE_WINDOW_MS) recentRows += job.rows;
      } else if (failure !== undefined) {
        const index = from + i;
        if (failed.length < MOST_FAILED) {
          failed.push({ id: job.id, index, state, finishedAt, attempts: job.attempts, failure });
        }
        const seen = errors.get(failure.code);
        if (seen === undefined) errors.set(failure.code, { chunks: 1, example: job.id });
        else seen.chunks += 1;
      }
    }
  }
  const rate = rowRate(group, firstStartAt, recentRows, looked < group.jobs, now);
  const left = group.rows - group.rowsDone;
  const over = group.finishedAt !== undefined;
  return {
    ...group,
    looked,
    chunks,
    failed,
    errors: [...errors].map(([code, seen]) => ({ code, ...seen })).sort((a, b) => b.chunks - a.chunks),
    ...(firstStartAt === undefined ? {} : { firstStartAt }),
    ...(lastEndAt === undefined ? {} : { lastEndAt }),
    rowsPerSecond: rate,
    etaMs: over || rate === null || rate === 0 || left <= 0 ? null : (left / rate) * 1000,
    expiresInMs: ttl < 0 ? null : ttl,
  };
}

function rowRate(
  group: GroupRecord,
  firstStartAt: number | undefined,
  recentRows: number,
  sampled: boolean,
  now: number,
): number | null {
  if (firstStartAt === undefined || group.rowsDone === 0) return null;
  const end = group.finishedAt ?? now;
  const ms = Math.max(1, end - firstStartAt);
  // If some chunks were not looked at, the last minute's rate is unknown; the rate over the whole run is
  // known.
  if (group.finishedAt !== undefined || sampled || ms <= RATE_WINDOW_MS) return (group.rowsDone / ms) * 1000;
  return (recentRows / RATE_WINDOW_MS) * 1000;
}

async function readChunk(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<JobRecord | undefined> {
  const base = bullBase(prefix, queue);
  const [values, waits, delayed] = await Promise.all([
    ifReadable(client.hmget(base + id, ...LIST_FIELDS), undefined),
    ifReadable(client.zscore(`${base}prioritized`, id), null),
    ifReadable(client.zscore(`${base}delayed`, id), null),
  ]);
  if (values === undefined) return damagedRecord(id, queue, `its record ${base}${id} is not a hash`);
  const fields = namedFields(LIST_FIELDS, values);
  if (fields.timestamp === undefined && fields[JOB.state] === undefined) return undefined;
  const placed =
    waits !== null ? 'waiting' : delayed !== null ? 'delayed' : fields.processedOn ? 'active' : 'waiting';
  return recordOf(id, queue, fields, placed);
}
