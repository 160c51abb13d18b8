import { InferError, type OwnFailure, toFailureRecord } from '../core/errors.js';
import { chunkId } from '../core/job.js';
import type { ValueForm } from '../model/rows.js';
import type { ResultSource } from '../queue/broker/result-store.js';
import { queueOfChunk, readJob } from '../queue/read/reader.js';
import type { GroupRecord } from '../queue/types.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import { resultValues } from './render.js';
import { EXPIRED, NOT_SENT, type ReadChunk, RowMerge } from './row-merge.js';
import type { ChunkMemory, GroupChunk } from './types.js';
import type { WaitOptions } from './waiting.js';

/** Chunks fetched ahead of the one being read, where there is room: hides the round trip. */
const AHEAD = 16;

/** Limits of reading a group: they apply to each fetch. */
export interface GroupLimits extends WaitOptions {
  /** Counts what is read ahead [no limit]. */
  memory?: ChunkMemory | undefined;
}

const UNLIMITED: ChunkMemory = { hasRoom: true, took: () => undefined, gave: () => undefined };

/**
 * The rows of a group in input order; each chunk is fetched shortly before it is read. Chunks whose rows lie
 * between those of others are held until their turn. In a group that has not ended, rows without a result
 * have the error NOT_ENDED.
 */
export async function* groupChunks(
  client: RedisClient,
  prefix: string,
  group: GroupRecord,
  results: ResultSource,
  form: ValueForm,
  /** Awaits one fetch, within the reader's limits; it is not begun for a reader that has left. */
  step: <T>(fetch: () => Promise<T>) => Promise<T>,
  memory: ChunkMemory = UNLIMITED,
): AsyncGenerator<GroupChunk> {
  const merge = new RowMerge(group.closed && group.state !== 'cancelled' ? EXPIRED : NOT_SENT);
  const ahead: Promise<ReadChunk & { bytes?: number }>[] = [];
  let next = 0;
  for (let index = 0; index < group.jobs; index++) {
    while (next < group.jobs && next < index + AHEAD && (next === index || memory.hasRoom)) {
      const chunk = readChunk(client, prefix, group, results, next++, form).then((read) => {
        memory.took(read.bytes ?? 0);
        return read;
      });
      // Awaited in order; an earlier failure must not count as unhandled.
      chunk.catch(() => undefined);
      ahead.push(chunk);
    }
    const chunk = ahead.shift() as (typeof ahead)[number];
    const read = await step(() => worded(client, chunk));
    yield* merge.add(read);
    memory.gave(read.bytes ?? 0);
  }
  yield* merge.end(group.rows);
}

async function readChunk(
  client: RedisClient,
  prefix: string,
  group: GroupRecord,
  results: ResultSource,
  index: number,
  form: ValueForm,
): Promise<ReadChunk & { bytes?: number }> {
  const id = chunkId(group.id, index);
  const queue = queueOfChunk(group, index);
  const record = await readJob(client, prefix, queue, id);
  if (record === undefined) return { index, rows: 0, place: undefined };
  const { rows, group: place } = record;
  try {
    const stored = await results.read(queue, id, record.endedBy ?? '');
    if (stored !== undefined) {
      const { values, failedRows } = resultValues(stored, record.meta?.device, record.failure, form);
      return { index, rows, place, values, failed: new Set(failedRows), bytes: stored.length };
    }
  } catch (error) {
    // A result that cannot be read affects only the rows of its chunk.
    if (!(error instanceof InferError)) throw error;
    return { index, rows, place, error: toFailureRecord(error) };
  }
  const error = record.failure ?? (record.state === 'completed' ? EXPIRED : notEnded(record.state));
  return { index, rows, place, error };
}

function notEnded(state: string): OwnFailure {
  return { code: 'NOT_ENDED', message: `it is still ${state}` };
}
