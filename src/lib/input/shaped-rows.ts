import { placeOf, REORDER_ROWS } from '../core/row-place.js';
import type { ModelSignature } from '../model/signature.js';
import { type Chunk, type ChunkLimits, ONE_CHUNK } from './chunk.js';
import { StagedColumn, type StagedRow, type Taking, type Where } from './column.js';
import { ImageColumn } from './image-column.js';

/** A chunk being filled, with rows of one shape. */
interface OpenChunk {
  /** Numbers of its rows in the input, from 0. */
  numbers: number[];
  bytes: number;
  /** Rows and bytes read before its first row. */
  rowsBefore: number;
  bytesBefore: number;
  columns: { shape: number[]; parts: Uint8Array[] }[];
}

/**
 * Bytes of other rows that may be read while a chunk waits for more rows: the maximum held by open chunks.
 */
const REORDER_BYTES = 16 * 1024 * 1024;
/** Bytes of texts that share chunks, at most; the longest are cut by most models. */
const TEXT_CLASSES = [128, 256, 512, 1024, 2048];
/** Maximum number of open chunks; each costs a kilobyte besides its rows. */
const MOST_OPEN = 1024;

/**
 * Rows that differ in shape (or in a shared value): one open chunk per shape. A chunk ends when it is full,
 * or when `REORDER_ROWS` rows of other chunks have been read since its first row. That limits what is held
 * here, and equally what a reader of the results must hold until a row's turn. The grouping depends only on
 * the rows: the same input gives the same chunks.
 */
export class ShapedRows {
  private readonly columns: (StagedColumn | ImageColumn)[];
  /** By shape, the chunk with the oldest row first. */
  private readonly open = new Map<string, OpenChunk>();
  private readonly staged: StagedRow[];
  private rowsRead = 0;
  private bytesRead = 0;

  constructor(
    signature: ModelSignature,
    private readonly limits: ChunkLimits,
    where: Where,
    private readonly taking: Taking,
    private readonly emit: (chunk: Chunk) => void,
  ) {
    this.columns = signature.inputs.map((input) => {
      const Column = input.role === 'image' ? ImageColumn : StagedColumn;
      return new Column(input, signature.name, where, taking);
    });
    this.staged = [];
  }

  add(values: readonly unknown[], row: number): void {
    let key = '';
    let bytes = 0;
    let sharedBytes = 0;
    for (const [index, column] of this.columns.entries()) {
      const staged = column.stage(values[index], row);
      this.staged[index] = staged;
      key += `${staged.key}${this.lengthClass(column, staged)}|`;
      if (column.input.shared) sharedBytes += staged.data.byteLength;
      else bytes += staged.weight ?? staged.data.byteLength;
    }
    let chunk = this.open.get(key);
    if (chunk !== undefined && chunk.bytes + bytes > this.limits.chunkBytes) {
      this.end(key, chunk);
      chunk = undefined;
    }
    chunk ??= this.begin(key, sharedBytes);
    for (const [index, staged] of this.staged.entries()) {
      const { parts } = chunk.columns[index] as { parts: Uint8Array[] };
      if (parts.length === 0 || this.columns[index]?.input.shared !== true)
        parts.push(this.taking.copies ? staged.data.slice() : staged.data);
    }
    chunk.numbers.push(this.rowsRead);
    chunk.bytes += bytes;
    this.rowsRead += 1;
    this.bytesRead += bytes;
    if (chunk.numbers.length >= this.limits.chunkRows) this.end(key, chunk);
    this.endOld();
  }

  flush(): void {
    for (const [key, chunk] of this.open) this.end(key, chunk);
  }

  /** Texts of about one length share a chunk, where chunks are limited: a job's texts are padded to its longest. */
  private lengthClass({ input }: StagedColumn | ImageColumn, { data }: StagedRow): string {
    if (input.role !== 'text' || this.limits.chunkRows === ONE_CHUNK.chunkRows) return '';
    return `~${textClass(data.byteLength)}`;
  }

  private begin(key: string, sharedBytes: number): OpenChunk {
    const chunk: OpenChunk = {
      numbers: [],
      bytes: sharedBytes,
      rowsBefore: this.rowsRead,
      bytesBefore: this.bytesRead,
      columns: this.staged.map(({ shape }) => ({ shape, parts: [] })),
    };
    this.open.set(key, chunk);
    this.bytesRead += sharedBytes;
    return chunk;
  }

  /** Finishes the chunks whose first row is too far back. */
  private endOld(): void {
    for (const [key, chunk] of this.open) {
      const otherRows = this.rowsRead - chunk.rowsBefore - chunk.numbers.length;
      const otherBytes = this.bytesRead - chunk.bytesBefore - chunk.bytes;
      if (otherRows < REORDER_ROWS && otherBytes < REORDER_BYTES && this.open.size <= MOST_OPEN) return;
      this.end(key, chunk);
    }
  }

  private end(key: string, chunk: OpenChunk): void {
    this.open.delete(key);
    const tensors = this.columns.map(({ input: { name, type, shared, role } }, index) => {
      const { shape, parts } = chunk.columns[index] as OpenChunk['columns'][number];
      const data = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
      return {
        name,
        type,
        shape,
        ...(shared ? { shared: true } : {}),
        ...(role === 'image' ? { role } : {}),
        data,
      };
    });
    this.emit({ rows: chunk.numbers.length, tensors, place: placeOf(chunk.numbers) });
  }
}

/** Texts of one class share chunks. @param bytes of a text */
export function textClass(bytes: number): number {
  return TEXT_CLASSES.findIndex((most) => bytes <= most);
}
