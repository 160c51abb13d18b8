import type { Sketch } from '../core/sketch.js';
import { type JobCounts, WorkFigures } from '../queue/work-stats.js';

/** The values that 50, 90 and 99 of 100 did not exceed, to 1 %, and the maximum. */
export interface Spread {
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** The documented JSON of work done over some time; fields are only ever added. */
export interface FiguresJson {
  /** Milliseconds over which the rates are computed. */
  windowMs: number;
  jobs: JobCounts;
  /** Failed jobs by error code. */
  failures: Record<string, number>;
  rows: number;
  /** Jobs ended per second, and rows of completed ones per second. */
  jobsPerSecond: number;
  rowsPerSecond: number;
  /** From submit to start, in runs, and from submit to end; null if no job ran. */
  waitMs: Spread | null;
  runMs: Spread | null;
  totalMs: Spread | null;
  batches: { count: number; rows: (Spread & { mean: number }) | null; closed: Record<string, number> };
}

/** Sums of the reports of several workers, queues or buckets; sketches are added, never averaged. */
export function sumOf(parts: Iterable<WorkFigures>): WorkFigures {
  const sum = new WorkFigures();
  for (const part of parts) sum.merge(part);
  return sum;
}

export function figuresJson(figures: WorkFigures, windowMs: number): FiguresJson {
  const seconds = Math.max(1000, windowMs) / 1000;
  const { batchRows } = figures;
  const rows = spread(batchRows);
  return {
    windowMs: Math.max(1000, Math.round(windowMs)),
    jobs: { ...figures.jobs },
    failures: { ...figures.codes },
    rows: figures.rows,
    jobsPerSecond: rounded(figures.ended / seconds),
    rowsPerSecond: rounded(figures.rows / seconds),
    waitMs: spread(figures.wait),
    runMs: spread(figures.run),
    totalMs: spread(figures.total),
    batches: {
      count: batchRows.count,
      rows: rows === null ? null : { ...rows, mean: rounded(batchRows.sum / batchRows.count) },
      closed: { ...figures.closed },
    },
  };
}

function spread(sketch: Sketch): Spread | null {
  if (sketch.count === 0) return null;
  const at = (q: number) => rounded(sketch.quantile(q) as number);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: rounded(sketch.max as number) };
}

/** Three decimals: a microsecond, or a thousandth of a job per second. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
