import { BatchSizer } from '../batch/sizer.js';
import type { ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';

/** Rows that a learned size never exceeds: by then the overhead of a batch is spread thin. */
const MOST_ROWS = 1024;
/** Bytes of input in one run: bounds memory in worker and runner, and the time the pipe is busy. */
const MOST_BYTES = 16 * 1024 * 1024;

/** How many rows of each model run together: as told, else learned from its run times. */
export class BatchSizes {
  private readonly sizers = new Map<string, BatchSizer>();
  private readonly fixed = new Map<string, number>();

  /**
   * @param asked rows the user wants at most; null = learn.
   * @param latencyTargetMs longest run a learned size may take.
   */
  constructor(signatures: Iterable<ModelSignature>, asked: number | null, latencyTargetMs: number) {
    for (const { name, batchable, maxBatch } of signatures) {
      if (!batchable) this.fixed.set(name, 1);
      else if (asked !== null) this.fixed.set(name, Math.min(asked, maxBatch ?? asked));
      else this.sizers.set(name, new BatchSizer(Math.min(MOST_ROWS, maxBatch ?? MOST_ROWS), latencyTargetMs));
    }
  }

  of(model: string): number {
    return this.fixed.get(model) ?? this.sizers.get(model)?.size ?? 1;
  }

  /** The size as it stands when asked, for rows of this payload's size. */
  capFor(model: string, payload: Payload): () => number {
    const bytes = payload.tensors.reduce((sum, tensor) => sum + tensor.data.byteLength, 0);
    const fits = Math.max(1, Math.floor(MOST_BYTES / Math.max(1, bytes / payload.rows)));
    return () => Math.min(this.of(model), fits);
  }

  record(model: string, rows: number, ms: number, overheadMs: number | undefined): void {
    this.sizers.get(model)?.record(rows, ms, overheadMs);
  }

  /** Of the model that takes most: what is held ahead for each runner. */
  get largest(): number {
    return Math.max(1, ...this.fixed.values(), ...[...this.sizers.values()].map((sizer) => sizer.size));
  }
}
