import type { RowPlace } from '../core/row-place.js';
import type { Payload } from '../model/tensor.js';

/** When a chunk is full. One row is always accepted, whatever its size. */
export interface ChunkLimits {
  chunkRows: number;
  chunkBytes: number;
}

/** A payload with the numbers of its rows; without `place` they follow those of the previous chunk. */
export interface Chunk extends Payload {
  place?: RowPlace | undefined;
}

/** One payload whatever its size: for the library's callers, who hold all rows in memory anyway. */
export const ONE_CHUNK: ChunkLimits = {
  chunkRows: Number.MAX_SAFE_INTEGER,
  chunkBytes: Number.MAX_SAFE_INTEGER,
};
