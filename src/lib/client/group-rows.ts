import type { GroupChunk } from './types.js';

/** One value for each row of a chunk; if the chunk failed as a whole, `{error}` for each row. */
export function rowsOf(chunk: GroupChunk): unknown[] {
  return chunk.values ?? Array.from({ length: chunk.rows }, () => ({ error: chunk.error }));
}

/** Passes chunks on and records in `failed` which rows of the group, from 0, have no result. */
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
