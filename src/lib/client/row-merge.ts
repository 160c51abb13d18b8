import type { FailureRecord, OwnFailure } from '../core/errors.js';
import { REORDER_ROWS, type RowPlace, rowNumbers } from '../core/row-place.js';
import type { GroupChunk } from './types.js';

/** A chunk as it was read. */
export interface ReadChunk {
  index: number;
  rows: number;
  /** Undefined when its record has expired: which rows it held is not known any more. */
  place: RowPlace | undefined;
  values?: unknown[] | undefined;
  /** Places in `values` of rows that failed. */
  failed?: ReadonlySet<number> | undefined;
  error?: FailureRecord | undefined;
}

/** Rows of a piece that is put together from several chunks. */
const PIECE_ROWS = 256;
/** A row that is further back than this behind one that was read will not come any more. */
const LOST_ROWS = 2 * REORDER_ROWS;

export const EXPIRED: OwnFailure = { code: 'RESULT_EXPIRED', message: 'its result has expired' };
/** Of a row of a group that is still open, or ended without all its rows. */
export const NOT_SENT: OwnFailure = { code: 'NOT_ENDED', message: 'it is not in the queue' };
const NOT_QUEUED: OwnFailure = { code: 'CANCELLED', message: 'it was cancelled before it was queued' };

/**
 * Brings the rows of chunks, which are read one after the other, into input order. A row waits here
 * until those before it were read: `REORDER_ROWS` of them at most, since the submitter ended
 * each before more rows than that lay between (`ChunkBuilder`).
 */
export class RowMerge {
  private next = 0;
  private highest = -1;
  private missing = false;
  private readonly waiting = new Map<number, { chunk: ReadChunk; at: number }>();

  /** @param lost why a row has no result whose chunk has no record */
  constructor(private readonly lost: FailureRecord = EXPIRED) {}

  /** Rows that wait for others: what this holds. */
  get held(): number {
    return this.waiting.size;
  }

  /** Takes the next chunk; answers the rows whose turn has come. */
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

  /** The rows that are left, when every chunk was read; `total` is the number of rows of the group. */
  *end(total: number): Generator<GroupChunk> {
    const last = this.missing ? total : this.highest + 1;
    while (this.next < last) {
      yield* this.inOrder();
      if (this.next < last) yield this.gap(last);
    }
  }

  /** Pieces of rows that follow one another and have all a value, or all the same error. */
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

  /** The row whose turn it is. */
  private take(): { chunk: ReadChunk; at: number } | undefined {
    const found = this.waiting.get(this.next);
    if (found === undefined) return undefined;
    this.waiting.delete(this.next);
    this.next += 1;
    return found;
  }

  /** Rows that no chunk has, up to the next that one has. */
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
