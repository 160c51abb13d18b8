/** The time of a run with a given number of rows. */
export interface BatchTime {
  batch: number;
  /** Median ms of a run, inside the model's process. */
  runMs: number;
}

/**
 * Time of a micro-batch besides its run (taking and settling jobs, the pipe), as assumed by the worker's own
 * sizing: what larger batches save even if the model itself gains nothing.
 */
const OVERHEAD_MS = 1;
/**
 * A larger batch must process this many times more rows per second to be worth the wait it adds to urgent
 * work.
 */
const WORTH = 1.1;

export interface Advice {
  maxBatch: number;
  /** Why the size is not larger: it would not pay, it would take too long, or none was measured. */
  because: 'pays-no-more' | 'too-slow' | 'largest-measured';
}

/**
 * The largest size that still pays, going up size by size: 10 % more rows per second than the previous one,
 * and within the latency target. Undefined when nothing was measured.
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
