import { availableParallelism } from 'node:os';
import type { Settings } from '../config/settings.js';
import { InferError } from '../core/errors.js';
import { startRunner } from '../model/process-runner.js';
import { findModel } from '../model/repository.js';
import type { LoadedModel, Runner } from '../model/runner.js';
import { concatRows, type Payload, shapeKey } from '../model/tensor.js';
import { adviseBatch } from './advice.js';
import { rowPool } from './input-rows.js';
import { doublings, type ModelTime, measureModel } from './model-times.js';
import { type BenchModelJson, shapesText } from './reports.js';
import { exampleOf, openInputs, parseShapes } from './row-shapes.js';

export interface ModelBenchPlan {
  name: string;
  /** Thread counts to measure, each with its own runner; if omitted, the worker's default. */
  threads: readonly number[] | undefined;
  /** Rows per run to measure; if omitted, doubling as long as that is useful. */
  batches: readonly number[] | undefined;
  /** Duration of each measurement in ms. */
  durationMs: number;
  file: string | undefined;
  /**
   * Row shapes for generated rows, such as `image=3x224x224`; open dimensions that are not given are as in
   * the trial at load.
   */
  shapes: readonly string[];
  seed: number;
  signal: AbortSignal;
  step(text: string): void;
}

/** The maximum of a worker's learned size, too. */
const MOST_ROWS = 1024;
/** Sizes with a larger input are skipped, in bytes. */
const MOST_BYTES = 16 * 1024 * 1024;
/** Sizes that take this many latency targets are useless. */
const ENOUGH_TARGETS = 4;

/** Runs the model alone, without Redis or worker, at growing micro-batch sizes. */
export async function benchModel(settings: Settings, plan: ModelBenchPlan): Promise<BenchModelJson> {
  const { modelsDir, latencyTarget } = settings;
  findModel(modelsDir, plan.name);
  const threads = plan.threads ?? [settings.threads ?? Math.max(1, availableParallelism() - 1)];
  const times: ModelTime[] = [];
  let loaded: LoadedModel | undefined;
  let openShapes: Record<string, number[]> = {};
  for (const count of threads) {
    plan.signal.throwIfAborted();
    await withRunner(settings, count, async (runner) => {
      loaded = await runner.load(plan.name);
      const measured = await measureOn(runner, loaded, { ...plan, count, latencyTarget });
      times.push(...measured.times);
      openShapes = measured.openShapes;
    });
  }
  if (loaded === undefined) throw new Error('no number of threads was measured');
  const { signature, device, fallback } = loaded;
  const advice = threads.map((count) => ({
    threads: count,
    ...(adviseBatch(
      times.filter((time) => time.threads === count),
      latencyTarget,
    ) ?? { maxBatch: 1, because: 'largest-measured' as const }),
  }));
  const best = advice.reduce((a, b) => (speedAt(times, b) > speedAt(times, a) ? b : a));
  return {
    model: signature.name,
    version: signature.version,
    device,
    fallback: fallback ?? null,
    batchable: signature.batchable,
    latencyTargetMs: latencyTarget,
    openShapes,
    times,
    advice,
    best: { threads: best.threads, maxBatch: best.maxBatch, because: best.because },
  };
}

async function withRunner(
  settings: Settings,
  threads: number,
  work: (runner: Runner) => Promise<void>,
): Promise<void> {
  const { provider, gpu, requireGpu, modelsDir } = settings;
  const runner = await startRunner({ provider, gpu, requireGpu, threads, modelsDir });
  try {
    await work(runner);
  } finally {
    await runner.stop();
  }
}

async function measureOn(
  runner: Runner,
  { signature }: LoadedModel,
  plan: ModelBenchPlan & { count: number; latencyTarget: number },
): Promise<{ times: ModelTime[]; openShapes: Record<string, number[]> }> {
  const pool = await rowPool(signature, { ...plan, shapes: parseShapes(plan.shapes, signature) });
  const rows = alike(pool.chunks);
  const open = openInputs(signature);
  const openShapes = Object.fromEntries(
    rows.tensors.flatMap(({ name, shape }) => (open.includes(name) ? [[name, shape]] : [])),
  );
  const rowBytes = rows.tensors.reduce((sum, { data }) => sum + data.byteLength, 0) / rows.rows;
  const most = Math.min(
    signature.maxBatch ?? MOST_ROWS,
    MOST_ROWS,
    Math.max(1, Math.floor(MOST_BYTES / rowBytes)),
  );
  const batches = plan.batches ?? (signature.batchable ? doublings(most) : [1]);
  checkBatches(batches, signature);
  const words = plan.count === 1 ? '1 thread' : `${plan.count} threads`;
  plan.step(`${signature.name} on ${words}, rows: ${pool.source}${shapesText(openShapes)} ...`);
  const times: ModelTime[] = [];
  const measured = measureModel(runner, {
    model: signature.name,
    threads: plan.count,
    batches,
    rows,
    durationMs: plan.durationMs,
    enoughMs: plan.batches === undefined ? plan.latencyTarget * ENOUGH_TARGETS : Number.POSITIVE_INFINITY,
    signal: plan.signal,
  });
  try {
    for await (const time of measured) times.push(time);
  } catch (error) {
    if (plan.file !== undefined || !(error instanceof InferError) || error.code !== 'RUN_FAILED') throw error;
    throw doesNotRun(error, signature, openShapes);
  }
  return { times, openShapes };
}

/** Failures caused by generated rows are not the model's fault. */
function doesNotRun(
  { message, cause }: InferError,
  signature: LoadedModel['signature'],
  openShapes: Record<string, number[]>,
): InferError {
  const open = signature.inputs.find((input) => input.shape.includes(null));
  const shape = open === undefined ? '' : `${exampleOf(open)}, or `;
  return new InferError(
    'BENCH_DATA',
    `model '${signature.name}' does not run on generated rows${shapesText(openShapes)}: ${message}`,
    { hint: `${shape}--data FILE with rows it takes`, cause },
  );
}

function checkBatches(
  batches: readonly number[],
  { name, batchable, maxBatch }: LoadedModel['signature'],
): void {
  const most = batchable ? maxBatch : 1;
  const over = batches.find((batch) => batch > (most ?? Number.POSITIVE_INFINITY));
  if (over === undefined) return;
  const why = batchable ? `takes ${most} rows a run at most` : 'takes one row a run';
  throw new InferError('BENCH_BATCH', `model '${name}' ${why}: --batch ${over} is too large`, {
    hint: `--batch ${batches.filter((batch) => batch <= (most ?? 1)).join(',') || '1'}`,
  });
}

/** Rows that can run together: those with the first row's shape. */
function alike(chunks: readonly Payload[]): Payload {
  const key = shapeKey(chunks[0] as Payload);
  return concatRows(chunks.filter((chunk) => shapeKey(chunk) === key));
}

function speedAt(times: readonly ModelTime[], advice: { threads: number; maxBatch: number }): number {
  const { threads, maxBatch } = advice;
  const at = times.find((time) => time.threads === threads && time.batch === maxBatch);
  return at?.rowsPerSecond ?? 0;
}
