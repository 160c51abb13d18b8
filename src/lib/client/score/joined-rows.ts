import type { FailureRecord } from '../../core/errors.js';
import { badInput } from '../../core/errors.js';
import type { KeptRows } from '../../input/kept/kept.js';
import type { GroupChunk } from '../types.js';
import type { Predictions } from './predictions.js';

/** How many rows were written, and how many of them have no result. */
export interface JoinCounts {
  rows: number;
  failed: number;
  /** Number of the first of these, from 0. */
  firstFailed?: number;
}

/**
 * Rows of the input with their predictions, in the order of both.
 * @param counts updated with each piece
 * @throws InferError INPUT_CHANGED (65) if the input has other rows than were submitted.
 */
export async function* joinedRows(
  kept: KeptRows,
  chunks: AsyncIterable<GroupChunk>,
  predictions: Predictions,
  counts: JoinCounts,
): AsyncGenerator<unknown[][], void, undefined> {
  const source = new KeptCursor(kept);
  for await (const chunk of chunks) {
    const before = await source.take(chunk.rows);
    const failed = new Set(chunk.failedRows);
    yield before.map((cells, at) => {
      const value = chunk.values?.[at];
      const isDone = chunk.values !== undefined && !failed.has(at);
      if (!isDone) {
        counts.firstFailed ??= counts.rows + at;
        counts.failed += 1;
      }
      const error =
        chunk.values === undefined ? chunk.error : (value as { error?: FailureRecord } | undefined)?.error;
      return [...cells, ...(isDone ? predictions.done(value) : predictions.failed(error))];
    });
    counts.rows += chunk.rows;
  }
  await source.end();
}

/** Rows of the input, a number at a time. */
class KeptCursor {
  private readonly batches: AsyncGenerator<unknown[][], void, undefined>;
  private batch: unknown[][] = [];
  private at = 0;
  private readonly isEmpty: boolean;

  constructor(kept: KeptRows) {
    this.isEmpty = kept.columns.length === 0;
    this.batches = kept.batches();
  }

  async take(rows: number): Promise<unknown[][]> {
    if (this.isEmpty) return Array.from({ length: rows }, () => []);
    const taken: unknown[][] = [];
    while (taken.length < rows) {
      if (this.at === this.batch.length && !(await this.refill())) throw changed();
      const end = Math.min(this.batch.length, this.at + rows - taken.length);
      while (this.at < end) taken.push(this.batch[this.at++] as unknown[]);
    }
    return taken;
  }

  async end(): Promise<void> {
    if (!this.isEmpty && (this.at < this.batch.length || (await this.refill()))) throw changed();
  }

  private async refill(): Promise<boolean> {
    for (;;) {
      const next = await this.batches.next();
      if (next.done) return false;
      if (next.value.length === 0) continue;
      this.batch = next.value;
      this.at = 0;
      return true;
    }
  }
}

function changed(): Error {
  return badInput('INPUT_CHANGED', 'the input has other rows than when it was submitted', {
    hint: 'score it again when nothing writes to it',
  });
}
