import type { FastifyRequest } from 'fastify';
import type { InferClient } from '../../../client/client.js';
import { rowsOf } from '../../../client/group-rows.js';
import type { GroupChunk } from '../../../client/types.js';
import { type FailureRecord, InferError } from '../../../core/errors.js';
import { jsonOfRow } from '../../../model/row-text.js';
import type { GroupRecord } from '../../../queue/types.js';

/** Milliseconds for reading one chunk. */
const CHUNK_MS = 10_000;

/** Rows of a group in input order, as they are read. */
export interface GroupRows {
  chunks: AsyncGenerator<GroupChunk>;
  first: GroupChunk | undefined;
}

/** Memory without which no group is begun, bytes: more is taken for a chunk, which cannot be refused later. */
const LEAST_BYTES = 65_536;

/**
 * Starts to read a group.
 * @throws InferError of its first row if no row has a result, by its cause; RESULT_EXPIRED (410);
 *   BODIES_FULL (503).
 */
export async function beginGroup(
  client: InferClient,
  group: GroupRecord,
  { signal, heldResult }: Pick<FastifyRequest, 'signal' | 'heldResult'>,
): Promise<GroupRows> {
  heldResult?.check(LEAST_BYTES);
  const limits = { signal, timeoutMs: CHUNK_MS, memory: heldResult?.chunks, rowsAs: 'text' as const };
  const chunks = client.groupChunks(group, limits);
  const step = await chunks.next();
  const first = step.done ? undefined : step.value;
  const cause = first === undefined ? undefined : causeIn(first);
  const expired = cause?.code === 'RESULT_EXPIRED' && group.state === 'completed';
  if (cause !== undefined && (group.rowsDone === 0 || expired)) {
    await chunks.return(undefined);
    throw InferError.of(cause);
  }
  return { chunks, first };
}

/** Why the first row of a chunk has no result. */
function causeIn({ error, values, failedRows }: GroupChunk): FailureRecord | undefined {
  if (error !== undefined || failedRows?.[0] !== 0) return error;
  return (values?.[0] as { error?: FailureRecord } | undefined)?.error;
}

/** One line of JSON per row; `{"error": …}` for a row without a result. */
export async function* ndjsonOf(rows: GroupRows): AsyncGenerator<string> {
  for await (const values of valuesOf(rows)) {
    if (values.length > 0) yield `${values.map(jsonOfRow).join('\n')}\n`;
  }
}

/** The rows as one JSON list, between `before` and `after`. */
export async function* jsonListOf(rows: GroupRows, before = '', after = ''): AsyncGenerator<string> {
  let separator = `${before}[`;
  for await (const values of valuesOf(rows)) {
    if (values.length === 0) continue;
    yield separator + values.map(jsonOfRow).join(',');
    separator = ',';
  }
  yield `${separator === ',' ? '' : separator}]${after}`;
}

async function* valuesOf({ first, chunks }: GroupRows): AsyncGenerator<unknown[]> {
  try {
    if (first !== undefined) yield rowsOf(first);
    for await (const chunk of chunks) yield rowsOf(chunk);
  } finally {
    await chunks.return(undefined);
  }
}
