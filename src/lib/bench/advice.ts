/** What a run of so many rows takes. */
export interface BatchTime {
  batch: number;
  /** Median ms of a run, inside the model's process. */
  runMs: number;
}

/**
 * Time a micro-batch costs besides its run (taking and settling jobs, the pipe), as the worker's own
 * sizing counts it: what larger batches save with a model that gains nothing itself.
 */
const OVERHEAD_MS = 1;
/** A larger batch must carry this much more a second to be worth the wait it adds to urgent work. */
const WORTH = 1.1;

export interface Advice {
  maxBatch: number;
  /** Why no larger one: it would not pay, it would take too long, or none was measured. */
  because: 'pays-no-more' | 'too-slow' | 'largest-measured';
}

/**
 * The largest size that still pays, going up size by size: 10 % more rows a second than the one
 * before, and within the latency target. Undefined when nothing was measured.
 */
export function adviseBatch(times: readonly BatchTime[], latencyTargetMs: number): Advice | undefined {
  const [first, ...larger] = [...times].sort((a, b) => a.batch - b.batch);
  if (first === undefined) return undefined;
  let best = first;
  for (const next of larger) {
    if (next.runMs > latencyTargetMs) return { maxBatch: best.batch, because: 'too-slow' };
    if (rowsPerMs(next) < WORTH * rowsPerMs(best)) return { maxBatch: best.batch, because: 'pays-no-more' };
    best = next;
  }
  return { maxBatch: best.batch, because: 'largest-measured' };
}

function rowsPerMs({ batch, runMs }: BatchTime): number {
  return batch / (runMs + OVERHEAD_MS);
}
