import { BatchSizer } from '../batch/sizer.js';
import type { ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';

/** Maximum rows of a learned size: by then the overhead per batch is negligible. */
export const MOST_ROWS = 1024;
/** Maximum input bytes in one run: bounds memory in worker and runner, and the time the pipe is busy. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Weight of a new run in the mean. */
const NEWEST = 0.3;

type Batching = Pick<ModelSignature, 'batchable' | 'maxBatch'>;

/** How many rows of each loaded model run together: as configured, else learned from its run times. */
export class BatchSizes {
  private readonly models = new Map<string, Batching>();
  private readonly sizers = new Map<string, BatchSizer>();
  /** Recent mean run time by session, ms. */
  private readonly means = new Map<string, number>();
  /** Sessions whose rows were found to mix, and how. */
  private readonly mixed = new Map<string, string>();

  /**
   * @param asked maximum rows, set by the user; null = learn.
   * @param latencyTargetMs longest run that a learned size may cause.
   */
  constructor(
    private asked: number | null,
    private readonly latencyTargetMs: number,
  ) {}

  /** Adds a model whose runs use the name `session`. */
  add(session: string, { batchable, maxBatch }: Batching): void {
    this.models.set(session, { batchable, ...(maxBatch === undefined ? {} : { maxBatch }) });
    const most = Math.min(MOST_ROWS, maxBatch ?? MOST_ROWS);
    this.sizers.set(session, new BatchSizer(most, this.latencyTargetMs));
  }

  remove(session: string): void {
    this.models.delete(session);
    this.sizers.delete(session);
    this.means.delete(session);
    this.mixed.delete(session);
  }

  /** From now on, rows of this session run one at a time; returns whether that is new. */
  stopBatching(session: string, why: string): boolean {
    const first = !this.mixed.has(session);
    if (first) this.mixed.set(session, why);
    return first;
  }

  /** How its rows were found to mix while serving; undefined when they were not. */
  mixedBy(session: string): string | undefined {
    return this.mixed.get(session);
  }

  /** Sets the maximum rows in one run; null = learn, starting from what was learned before. */
  limitTo(asked: number | null): void {
    this.asked = asked;
  }

  of(session: string): number {
    const model = this.models.get(session);
    if (model === undefined || !model.batchable || this.mixed.has(session)) return 1;
    if (this.asked !== null) return Math.min(this.asked, model.maxBatch ?? this.asked);
    return this.sizers.get(session)?.size ?? 1;
  }

  /** Returns the current size when called, for rows of this payload's size. */
  capFor(session: string, payload: Payload): () => number {
    const bytes = payload.tensors.reduce((sum, tensor) => sum + tensor.data.byteLength, 0);
    const fits = Math.max(1, Math.floor(MOST_BYTES / Math.max(1, bytes / payload.rows)));
    return () => Math.min(this.of(session), fits);
  }

  /** Recent mean time of a run in ms; undefined before the first. */
  runMs(session: string): number | undefined {
    return this.means.get(session);
  }

  /** Rows and mean ms of the sizes that were tried; empty where the size is not learned. */
  measured(session: string): [number, number][] {
    if (this.asked !== null || this.mixed.has(session)) return [];
    const times = this.sizers.get(session)?.measured ?? [];
    return times.map(([rows, ms]) => [rows, Math.round(ms * 100) / 100]);
  }

  record(session: string, rows: number, ms: number, overheadMs: number | undefined): void {
    if (!this.models.has(session)) return;
    const mean = this.means.get(session) ?? ms;
    this.means.set(session, mean + NEWEST * (ms - mean));
    const batched = this.models.get(session)?.batchable === true && !this.mixed.has(session);
    if (this.asked === null && batched) {
      this.sizers.get(session)?.record(rows, ms, overheadMs);
    }
  }

  /** The largest size of any model. */
  get largest(): number {
    return Math.max(1, ...[...this.models.keys()].map((session) => this.of(session)));
  }
}
