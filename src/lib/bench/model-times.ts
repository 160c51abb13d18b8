import type { Runner } from '../model/runner.js';
import { concatRows, type Payload, sliceRows } from '../model/tensor.js';
import { roundMs } from './percentiles.js';

/** One micro-batch size with one number of threads. */
export interface ModelTime {
  threads: number;
  batch: number;
  /** Number of runs measured. */
  runs: number;
  /** Median ms inside the model's process. */
  runMs: number;
  /** Median ms as seen by the worker, including the round trip. */
  callMs: number;
  /** Rows per second at `callMs`. */
  rowsPerSecond: number;
  /** Rows per second relative to the smallest size with the same threads. */
  speedUp: number;
}

export interface MeasureOptions {
  model: string;
  threads: number;
  /** Rows per run, smallest first. */
  batches: readonly number[];
  /** Rows to run, repeated as needed. */
  rows: Payload;
  /** Each size is measured this long, and for at least 5 runs unless a run takes seconds. */
  durationMs: number;
  /** A slower run ends the series: larger ones only take longer. */
  enoughMs: number;
  signal: AbortSignal;
}

const LEAST_RUNS = 5;
/** Maximum time per size, however slow the model. */
const PATIENCE_MS = 10_000;

/** Measures one size after the other on a runner with the model loaded. */
export async function* measureModel(runner: Runner, options: MeasureOptions): AsyncGenerator<ModelTime> {
  let smallest: number | undefined;
  for (const batch of options.batches) {
    const { runs, runMs, callMs } = await measureBatch(runner, options, batch, smallest === undefined);
    const perSecond = (batch / callMs) * 1000;
    smallest ??= perSecond;
    yield {
      threads: options.threads,
      batch,
      runs,
      runMs: roundMs(runMs),
      callMs: roundMs(callMs),
      rowsPerSecond: Math.round(perSecond * 10) / 10,
      speedUp: Math.round((perSecond / smallest) * 100) / 100,
    };
    if (runMs > options.enoughMs) return;
  }
}

async function measureBatch(runner: Runner, options: MeasureOptions, batch: number, first: boolean) {
  const { model, durationMs, signal } = options;
  const parts = [rowsOf(options.rows, batch)];
  const run: number[] = [];
  const call: number[] = [];
  // The first size also includes JIT compilation in both processes, which takes time.
  const warmUpMs = first ? durationMs : durationMs / 5;
  const began = performance.now();
  let from: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    const sent = performance.now();
    const reply = await runner.run({ model, parts });
    const [bad] = reply.failed;
    if (bad !== undefined) throw bad.error;
    const now = performance.now();
    // A run that exhausts the limit needs no warm-up: it was its own.
    const tired = now - began >= PATIENCE_MS;
    if (from !== undefined || tired) {
      run.push(reply.runMs);
      call.push(now - sent);
    } else if (now - began >= warmUpMs) from = now;
    if (tired || (from !== undefined && now - from >= durationMs && run.length >= LEAST_RUNS)) break;
  }
  return { runs: run.length, runMs: median(run), callMs: median(call) };
}

/** This many rows: the given ones, repeated. */
function rowsOf(rows: Payload, count: number): Payload {
  const times = Math.ceil(count / rows.rows);
  return sliceRows(concatRows(Array.from({ length: times }, () => rows)), 0, count);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)] as number;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Default sizes to measure: doubling up to `most`, and `most` itself. */
export function doublings(most: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < most; size *= 2) sizes.push(size);
  return [...sizes, most];
}
