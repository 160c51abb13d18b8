import type { GroupChunk } from '../client/types.js';
import { count } from '../core/counts.js';

/** The rows of a chunk as they are shown: `{error}` for each row of one that failed as a whole. */
export function rowsOf(chunk: GroupChunk): unknown[] {
  return chunk.values ?? Array.from({ length: chunk.rows }, () => ({ error: chunk.error }));
}

/** Passes chunks on, and notes in `failed` which rows of the group, from 0, have no result. */
export async function* notingFailed(
  chunks: AsyncIterable<GroupChunk>,
  failed: number[],
): AsyncGenerator<GroupChunk> {
  let first = 0;
  for await (const chunk of chunks) {
    const rows = chunk.values?.length ?? chunk.rows;
    if (chunk.values === undefined) for (let row = 0; row < rows; row++) failed.push(first + row);
    else for (const row of chunk.failedRows ?? []) failed.push(first + row);
    first += rows;
    yield chunk;
  }
}

/** `9 of 40 rows have no result, the first is row 1`; row numbers from 0, `undefined` where they are not known. */
export function failedRowsText(failed: number, rows: number, first?: number): string {
  const which =
    first === undefined ? '' : failed === 1 ? `: row ${first + 1}` : `, the first is row ${first + 1}`;
  return `${count(failed)} of ${count(rows)} row${rows === 1 ? '' : 's'} ${failed === 1 ? 'has' : 'have'} no result${which}`;
}
