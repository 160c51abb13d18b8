import { untilAborted } from '../core/bounded.js';
import type { FailureRecord } from '../core/errors.js';
import { badInput } from '../core/errors.js';
import type { Chunk } from '../input/chunk.js';
import { ChunkBuilder, DEFAULT_CHUNKS } from '../input/chunk-builder.js';
import { jsonRowText } from '../input/json-row.js';
import { DEFAULT_MAX_DEPTH } from '../input/value.js';
import { type ModelSignature, takesJson } from '../model/signature.js';
import { routeTo } from '../queue/routes.js';
import type { GroupRecord } from '../queue/types.js';
import type { GroupSender } from './group-sender.js';
import type { Call } from './limited.js';
import type { Signatures } from './signatures.js';
import type { GroupChunk, SubmitOptions, SubmittedGroup } from './types.js';
import type { WaitOptions } from './waiting.js';

/** The client's parts needed to submit rows and to read them. */
interface RowsClient {
  readonly signatures: Signatures;
  waitGroup(id: string, options: WaitOptions): Promise<GroupRecord>;
  groupChunks(group: GroupRecord, limits: WaitOptions): AsyncGenerator<GroupChunk>;
}

/** The outcome of one row: its value, or why it has none. */
export interface RowResult {
  /** Its number in the input, from 0. */
  row: number;
  value?: unknown;
  error?: FailureRecord;
}

/** Rows submitted as one group. */
export interface SubmittedRows extends SubmittedGroup {
  /** Waits until the group has ended, then reads its rows in input order, a few at a time. */
  results(options?: WaitOptions): AsyncGenerator<RowResult>;
}

/**
 * Submits plain rows, packed into chunks as they arrive. @throws InferError INPUT_* naming `row N`; in that
 * case, nothing stays queued.
 */
export async function submitRows(
  client: RowsClient,
  groups: GroupSender,
  rows: Iterable<unknown> | AsyncIterable<unknown>,
  options: SubmitOptions,
  call: Call,
): Promise<SubmittedRows> {
  // With the signature of a version that is no longer served, row 100,000 might be refused: one lookup costs
  // nothing compared with a group.
  const known = await client.signatures.find(options.model, call.looksAt);
  const signature = await client.signatures.refresh(routeTo(known), call.looksAt);
  // Applies to the rows as well: the surrounding generator notices the abort only after its next row.
  const chunks = chunksOf(untilAborted(rows, call.signal), signature);
  const group = await groups.send(chunks, signature, options, call);
  return { ...group, results: (wait) => resultsOf(client, group.group, wait) };
}

async function* chunksOf(rows: AsyncIterable<unknown>, signature: ModelSignature): AsyncGenerator<Chunk> {
  const where = (row: number) => `row ${row}`;
  // A caller may refill the same array.
  const builder = new ChunkBuilder(signature, DEFAULT_CHUNKS, where, { copies: true, exact: true });
  const json = takesJson(signature);
  let count = 0;
  for await (const row of rows) {
    count += 1;
    if (json) builder.addValues([jsonRowText(row, DEFAULT_MAX_DEPTH, where(count))], count);
    else builder.addRow(row, count, 'refuse');
    yield* builder.drain();
  }
  if (count === 0) throw badInput('INPUT_EMPTY', 'there are no rows', { hint: 'give one row or more' });
  builder.flush();
  yield* builder.drain();
}

async function* resultsOf(client: RowsClient, id: string, wait: WaitOptions = {}): AsyncGenerator<RowResult> {
  for await (const piece of client.groupChunks(await client.waitGroup(id, wait), wait)) {
    const failed = new Set(piece.failedRows);
    for (let at = 0; at < piece.rows; at++) {
      // Chunks that were fetched before need no more of Redis.
      wait.signal?.throwIfAborted();
      const row = piece.firstRow + at;
      const value = piece.values?.[at];
      if (piece.values === undefined) yield { row, ...(piece.error ? { error: piece.error } : {}) };
      else yield failed.has(at) ? { row, ...(value as { error: FailureRecord }) } : { row, value };
    }
  }
}
