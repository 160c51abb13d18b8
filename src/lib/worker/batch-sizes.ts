import { BatchSizer } from '../batch/sizer.js';
import type { WarmUp } from '../model/runner.js';
import type { ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';

/** Maximum rows of a learned size: by then the overhead per batch is negligible. */
export const MOST_ROWS = 1024;
/** Maximum input bytes in one run: bounds memory in worker and runner, and the time the pipe is busy. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Weight of a new run in the mean. */
const NEWEST = 0.3;
/** Input shapes of a model whose sizes are kept; the one that has not run for the longest is forgotten. */
const MOST_SHAPES = 32;

type Batching = Pick<ModelSignature, 'batchable' | 'maxBatch'>;

/** The sizes learned for one model. */
interface Learned {
  /** By `shapeOf`; the last one ran last. */
  byShape: Map<string, BatchSizer>;
  /** The first sizer, for the shape of the warm-up; afterwards that of the last run. */
  last: BatchSizer;
  most: number;
  warm: WarmUp | undefined;
}

/**
 * How many rows of each loaded model run together: as configured, else learned from its run times, for each
 * shape of its inputs: a model of texts or images of any size takes longer for larger ones.
 */
export class BatchSizes {
  private readonly models = new Map<string, Batching>();
  private readonly learned = new Map<string, Learned>();
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

  /** Adds a model whose runs use the name `session`; `warm` = what its warm-up took. */
  add(session: string, { batchable, maxBatch }: Batching, warm?: WarmUp): void {
    this.models.set(session, { batchable, ...(maxBatch === undefined ? {} : { maxBatch }) });
    const most = Math.min(MOST_ROWS, maxBatch ?? MOST_ROWS);
    const last = new BatchSizer(most, this.latencyTargetMs, warm?.times);
    this.learned.set(session, { byShape: new Map(), last, most, warm });
  }

  remove(session: string): void {
    this.models.delete(session);
    this.learned.delete(session);
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

  /** Rows in one run now, if they are like those of the last run. */
  of(session: string): number {
    return this.sizeOf(session, this.learned.get(session)?.last);
  }

  private sizeOf(session: string, sizer: BatchSizer | undefined): number {
    const model = this.models.get(session);
    if (model === undefined || !model.batchable || this.mixed.has(session)) return 1;
    if (this.asked !== null) return Math.min(this.asked, model.maxBatch ?? this.asked);
    return sizer?.size ?? 1;
  }

  /** Returns the current size when called, for rows like this payload's. */
  capFor(session: string, payload: Payload): () => number {
    const bytes = rowBytes(payload);
    const fits = Math.max(1, Math.floor(MOST_BYTES / Math.max(1, bytes)));
    const shape = shapeOf(payload);
    let fresh: BatchSizer | undefined;
    return () => {
      const learned = this.learned.get(session);
      const sizer = learned?.byShape.get(shape);
      if (sizer === undefined && learned !== undefined) fresh ??= this.sizerFor(learned, bytes);
      return Math.min(this.sizeOf(session, sizer ?? fresh), fits);
    };
  }

  /** A sizer for rows of this many bytes: they are expected to take longer the larger they are. */
  private sizerFor({ most, warm }: Learned, bytes: number): BatchSizer {
    const factor = warm === undefined || warm.rowBytes === 0 ? 1 : bytes / warm.rowBytes;
    const times = warm?.times.map(([rows, ms]) => [rows, ms * factor] as const);
    return new BatchSizer(most, this.latencyTargetMs, times, factor !== 1);
  }

  /** Recent mean time of a run in ms; undefined before the first. */
  runMs(session: string): number | undefined {
    return this.means.get(session);
  }

  /**
   * Rows and mean ms of the sizes that were tried with rows like those of the last run; empty where the size
   * is not learned.
   */
  measured(session: string): [number, number][] {
    if (this.asked !== null || this.mixed.has(session)) return [];
    const times = this.learned.get(session)?.last.measured ?? [];
    return times.map(([rows, ms]) => [rows, Math.round(ms * 100) / 100]);
  }

  /** A run of `rows` rows like this payload's took `ms`, and `overheadMs` passed between it and the last. */
  record(session: string, payload: Payload, rows: number, ms: number, overheadMs: number | undefined): void {
    if (!this.models.has(session)) return;
    const mean = this.means.get(session) ?? ms;
    this.means.set(session, mean + NEWEST * (ms - mean));
    const batched = this.models.get(session)?.batchable === true && !this.mixed.has(session);
    const learned = this.learned.get(session);
    if (this.asked !== null || !batched || learned === undefined) return;
    const shape = shapeOf(payload);
    const { byShape } = learned;
    const isFirst = byShape.size === 0 && rowBytes(payload) === (learned.warm?.rowBytes ?? rowBytes(payload));
    learned.last = byShape.get(shape) ?? (isFirst ? learned.last : this.sizerFor(learned, rowBytes(payload)));
    byShape.delete(shape);
    byShape.set(shape, learned.last);
    const [oldest] = byShape.keys();
    if (byShape.size > MOST_SHAPES && oldest !== undefined) byShape.delete(oldest);
    learned.last.record(rows, ms, overheadMs);
  }

  /** The largest size of any model. */
  get largest(): number {
    return Math.max(1, ...[...this.models.keys()].map((session) => this.of(session)));
  }
}

/** The shape of a payload's rows. Shared tensors count: their size may vary too. */
function shapeOf({ tensors }: Payload): string {
  return tensors.map(({ shape }) => shape.join('x')).join(';');
}

function rowBytes({ tensors, rows }: Payload): number {
  return tensors.reduce((sum, { data }) => sum + data.byteLength, 0) / Math.max(1, rows);
}
