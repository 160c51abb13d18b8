import type { ModelSignature } from '../model/signature.js';
import type { Chunk, ChunkLimits } from './chunk.js';
import { FixedColumn, type Taking, type Where } from './column.js';

/** Rows of one shape and size: written in place, one chunk after the other. */
export class FixedRows {
  private readonly columns: FixedColumn[];
  private readonly capacity: number;
  private rows = 0;

  constructor(
    signature: ModelSignature,
    limits: ChunkLimits,
    where: Where,
    expectedRows: number,
    taking: Taking,
    private readonly emit: (chunk: Chunk) => void,
  ) {
    this.columns = signature.inputs.map((input) => new FixedColumn(input, signature.name, where, taking));
    const rowBytes = this.columns.reduce((sum, column) => sum + column.rowBytes, 0);
    const byBytes = Math.max(1, Math.floor(limits.chunkBytes / Math.max(1, rowBytes)));
    this.capacity = Math.min(limits.chunkRows, byBytes, expectedRows);
  }

  add(values: readonly unknown[], row: number): void {
    if (this.rows >= this.capacity) this.flush();
    for (const [index, column] of this.columns.entries())
      column.write(values[index], this.rows, this.capacity, row);
    this.rows += 1;
  }

  flush(): void {
    if (this.rows === 0) return;
    this.emit({ rows: this.rows, tensors: this.columns.map((column) => column.take(this.rows)) });
    this.rows = 0;
  }
}
