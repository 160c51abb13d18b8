import type { FailureRecord, OwnFailure } from '../core/errors.js';
import { REORDER_ROWS, type RowPlace, rowNumbers } from '../core/row-place.js';
import type { GroupChunk } from './types.js';

/** A chunk after reading. */
export interface ReadChunk {
  index: number;
  rows: number;
  /** Undefined when its record has expired: then it is unknown which rows it contained. */
  place: RowPlace | undefined;
  values?: unknown[] | undefined;
  /** Indexes in `values` of rows that failed. */
  failed?: ReadonlySet<number> | undefined;
  error?: FailureRecord | undefined;
}

/** Rows of a piece combined from several chunks. */
const PIECE_ROWS = 256;
/** A row that is missing this far behind one that was read will not come any more. */
const LOST_ROWS = 2 * REORDER_ROWS;

export const EXPIRED: OwnFailure = { code: 'RESULT_EXPIRED', message: 'its result has expired' };
/** For a row of a group that is still open, or ended without all its rows. */
export const NOT_SENT: OwnFailure = { code: 'NOT_ENDED', message: 'it is not in the queue' };
const NOT_QUEUED: OwnFailure = { code: 'CANCELLED', message: 'it was cancelled before it was queued' };

/**
 * Puts the rows of chunks, which are read one after the other, into input order. A row waits here until those
 * before it have been read: at most `REORDER_ROWS` of them, because the submitter closed each chunk before
 * more rows than that lay in between (`ChunkBuilder`).
 */
export class RowMerge {
  private next = 0;
  private highest = -1;
  private missing = false;
  private readonly waiting = new Map<number, { chunk: ReadChunk; at: number }>();

  /** @param lost why a row has no result if its chunk has no record */
  constructor(private readonly lost: FailureRecord = EXPIRED) {}

  /** Number of rows held back because they wait for others. */
  get held(): number {
    return this.waiting.size;
  }

  /** Takes the next chunk; returns the rows whose turn has come. */
  *add(chunk: ReadChunk): Generator<GroupChunk> {
    const { place, rows } = chunk;
    if (place === undefined) {
      this.missing = true;
      return;
    }
    const inTurn = place.firstRow === this.next && place.steps === undefined && this.waiting.size === 0;
    if (inTurn) {
      this.next += rows;
      this.highest = this.next - 1;
      yield pieceOf(chunk, place.firstRow, rows, chunk.values, [...(chunk.failed ?? [])]);
      return;
    }
    for (const [at, row] of rowNumbers(place, rows).entries()) {
      this.waiting.set(row, { chunk, at });
      this.highest = Math.max(this.highest, row);
    }
    yield* this.inOrder();
    while (this.missing && this.highest - this.next > LOST_ROWS) {
      yield this.gap(this.highest - LOST_ROWS);
      yield* this.inOrder();
    }
  }

  /** The remaining rows, after all chunks have been read; `total` is the number of rows of the group. */
  *end(total: number): Generator<GroupChunk> {
    const last = this.missing ? total : this.highest + 1;
    while (this.next < last) {
      yield* this.inOrder();
      if (this.next < last) yield this.gap(last);
    }
  }

  /** Pieces of consecutive rows that all have a value, or all have the same error. */
  private *inOrder(): Generator<GroupChunk> {
    for (let first = this.take(); first !== undefined; ) {
      const { chunk } = first;
      const firstRow = this.next - 1;
      const piece = [first];
      let following = this.take();
      while (
        following !== undefined &&
        piece.length < PIECE_ROWS &&
        (chunk.values === undefined ? following.chunk === chunk : following.chunk.values !== undefined)
      ) {
        piece.push(following);
        following = this.take();
      }
      const values = chunk.values && piece.map((one) => one.chunk.values?.[one.at]);
      const failed = piece.flatMap((one, at) => (one.chunk.failed?.has(one.at) ? [at] : []));
      yield pieceOf(chunk, firstRow, piece.length, values, failed);
      first = following;
    }
  }

  /** The next row in input order. */
  private take(): { chunk: ReadChunk; at: number } | undefined {
    const found = this.waiting.get(this.next);
    if (found === undefined) return undefined;
    this.waiting.delete(this.next);
    this.next += 1;
    return found;
  }

  /** Rows that no chunk has, up to the next row that one has. */
  private gap(end: number): GroupChunk {
    const firstRow = this.next;
    const last = Math.min(end, firstRow + PIECE_ROWS);
    while (this.next < last && !this.waiting.has(this.next)) this.next += 1;
    const error = this.missing ? this.lost : NOT_QUEUED;
    return { index: -1, firstRow, rows: this.next - firstRow, error };
  }
}

function pieceOf(
  { index, error }: ReadChunk,
  firstRow: number,
  rows: number,
  values: unknown[] | undefined,
  failedRows: number[],
): GroupChunk {
  const failed = failedRows.length === 0 ? {} : { failedRows };
  return {
    index,
    firstRow,
    rows,
    ...(values === undefined ? { error: error ?? EXPIRED } : { values, ...failed }),
  };
}
