import { chunkId } from '../core/job.js';
import type { GroupRecord } from '../queue/broker.js';
import { queueOfChunk, readJob } from '../queue/reader.js';
import type { ResultSource } from '../queue/result-store.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import { resultValues } from './render.js';
import type { GroupChunk } from './types.js';

/** Chunks fetched ahead of the one being read: hides the round trip, holds a few MB at most. */
const AHEAD = 16;

/** The chunks of a group in input order; each is fetched shortly before it is read. */
export async function* groupChunks(
  client: RedisClient,
  prefix: string,
  group: GroupRecord,
  results: ResultSource,
): AsyncGenerator<GroupChunk> {
  const ahead: Promise<GroupChunk>[] = [];
  let next = 0;
  for (let index = 0; index < group.jobs; index++) {
    while (next < group.jobs && next < index + AHEAD) {
      const chunk = readChunk(client, prefix, group, results, next++);
      // Awaited in its turn; a failure before that must not count as unhandled.
      chunk.catch(() => undefined);
      ahead.push(chunk);
    }
    yield await worded(client, ahead.shift() as Promise<GroupChunk>);
  }
}

async function readChunk(
  client: RedisClient,
  prefix: string,
  group: GroupRecord,
  results: ResultSource,
  index: number,
): Promise<GroupChunk> {
  const id = chunkId(group.id, index);
  const queue = queueOfChunk(group, index);
  const record = await readJob(client, prefix, queue, id);
  const stored = await results.read(queue, id, record?.endedBy ?? '');
  const firstRow = record?.group?.firstRow ?? 0;
  const rows = record?.rows ?? 0;
  if (stored !== undefined) {
    const values = resultValues(stored, record?.meta?.device, record?.failure);
    return { index, firstRow, rows: values.length, values };
  }
  const failure =
    record?.failure ??
    (record === undefined || record.state === 'completed'
      ? { code: 'RESULT_EXPIRED', message: 'its result has expired' }
      : { code: 'NOT_ENDED', message: `it is still ${record.state}` });
  return { index, firstRow, rows, error: failure };
}
