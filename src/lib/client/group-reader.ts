import { type FailureRecord, InferError, type OwnFailure, toFailureRecord } from '../core/errors.js';
import { chunkId } from '../core/job.js';
import type { ValueForm } from '../model/rows.js';
import type { ResultSource } from '../queue/broker/result-store.js';
import { queueOfChunk, readJob } from '../queue/read/reader.js';
import type { GroupRecord, JobRecord } from '../queue/types.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import { type RowForm, resultValues } from './render.js';
import { EXPIRED, NOT_SENT, type ReadChunk, RowMerge } from './row-merge.js';
import type { ChunkMemory, GroupChunk } from './types.js';
import type { WaitOptions } from './waiting.js';

/** Chunks fetched ahead of the one being read, where there is room: hides the round trip. */
const AHEAD = 16;
/** Bytes of stored results fetched ahead: two of the largest hide the round trip as well as sixteen. */
const AHEAD_BYTES = 4 * 1024 * 1024;

/** Limits of reading a group: they apply to each fetch. */
export interface GroupLimits extends WaitOptions {
  /** Counts what is read ahead [no limit]. */
  memory?: ChunkMemory | undefined;
  /** `text`: values are `RowText`, `payload`: each is a `Payload` of one row [as the client says]. */
  rowsAs?: 'text' | 'payload' | undefined;
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
  { memory = UNLIMITED, rowsAs }: Pick<GroupLimits, 'memory' | 'rowsAs'> = {},
): AsyncGenerator<GroupChunk> {
  const merge = new RowMerge(group.closed && group.state !== 'cancelled' ? EXPIRED : NOT_SENT);
  const ahead: Promise<StoredChunk>[] = [];
  let next = 0;
  /** Of chunks that were fetched and not read, and of the last one, as which those under way count. */
  let held = 0;
  let last = 0;
  let underWay = 0;
  const hasRoom = () => memory.hasRoom && held + last * underWay < AHEAD_BYTES;
  for (let index = 0; index < group.jobs; index++) {
    while (next < group.jobs && next < index + AHEAD && (next === index || hasRoom())) {
      underWay += 1;
      const chunk = fetchChunk(client, prefix, group, results, next++)
        .then((fetched) => {
          last = fetched.stored?.length ?? 0;
          held += last;
          memory.took(last);
          return fetched;
        })
        .finally(() => {
          underWay -= 1;
        });
      // Awaited in order; an earlier failure must not count as unhandled.
      chunk.catch(() => undefined);
      ahead.push(chunk);
    }
    const chunk = ahead.shift() as (typeof ahead)[number];
    const fetched = await step(() => worded(client, chunk));
    const bytes = fetched.stored?.length ?? 0;
    held -= bytes;
    // Only now: values and text take several times the memory.
    yield* merge.add(valuesOf(fetched, index, rowsAs ?? form));
    memory.gave(bytes);
  }
  yield* merge.end(group.rows);
}

/** A chunk job and its result as it is stored. */
interface StoredChunk {
  record: JobRecord | undefined;
  stored?: Buffer | undefined;
  /** Why its result could not be read. */
  error?: FailureRecord | undefined;
}

async function fetchChunk(
  client: RedisClient,
  prefix: string,
  group: GroupRecord,
  results: ResultSource,
  index: number,
): Promise<StoredChunk> {
  const id = chunkId(group.id, index);
  const queue = queueOfChunk(group, index);
  const record = await readJob(client, prefix, queue, id);
  if (record === undefined) return { record };
  try {
    return { record, stored: await results.read(queue, id, record.endedBy ?? '') };
  } catch (error) {
    return { record, error: unreadable(error) };
  }
}

function valuesOf({ record, stored, error }: StoredChunk, index: number, form: RowForm): ReadChunk {
  if (record === undefined) return { index, rows: 0, place: undefined };
  const { rows, group: place, failure, state, meta } = record;
  const chunk = { index, rows, place };
  if (error !== undefined) return { ...chunk, error };
  if (stored === undefined)
    return { ...chunk, error: failure ?? (state === 'completed' ? EXPIRED : notEnded(state)) };
  try {
    const { values, failedRows } = resultValues(stored, meta?.device, failure, form);
    return { ...chunk, values, failed: new Set(failedRows) };
  } catch (problem) {
    return { ...chunk, error: unreadable(problem) };
  }
}

/** A result that cannot be read affects only the rows of its chunk. */
function unreadable(error: unknown): FailureRecord {
  if (error instanceof InferError) return toFailureRecord(error);
  throw error;
}

function notEnded(state: string): OwnFailure {
  return { code: 'NOT_ENDED', message: `it is still ${state}` };
}
