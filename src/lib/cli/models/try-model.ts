import { InferError } from '../../core/errors.js';
import { printable } from '../../core/printable.js';
import { readInput } from '../../input/read.js';
import { payloadFromValue } from '../../input/value.js';
import { startRunner } from '../../model/process-runner.js';
import { findModel } from '../../model/repository.js';
import { rowValues } from '../../model/rows.js';
import type { Runner } from '../../model/runner.js';
import type { ModelSignature } from '../../model/signature.js';
import type { Payload } from '../../model/tensor.js';
import { PreparePool } from '../../prepare/prepare-pool.js';
import { preparedPayload, preparedTensors, rawRows } from '../../prepare/prepared-payload.js';
import { exampleInput } from '../../serve/gateway/example-input.js';
import type { PreparePlan } from '../../task/prepare-plan.js';

/** Elements of the largest row that is made up: 32 MB as a list. */
const MOST_ELEMENTS = 4_000_000;

/** A model that was loaded and run as a worker would. */
export interface TriedModel {
  signature: ModelSignature;
  loadMs: number;
  /** The row that ran, as a caller would send it: undefined if it is from a file. */
  input?: unknown;
  /** What it gave; undefined if no row could be made up, as for a handler that alone knows its form. */
  result?: unknown;
  /** Milliseconds that the row took in the runner. */
  runMs?: number;
}

/**
 * Loads a model on the CPU, which probes it, and runs one row: that of a file, else one of zeros, short texts and a small
 * image.
 * @param signal ends it; the runner is then killed.
 * @throws InferError as `findModel`, of loading the model, of reading the file, and RUN_FAILED (exit 1) or the
 *   handler's failure for the row.
 */
export async function tryModel(
  modelsDir: string,
  name: string,
  { file, version, signal }: { file?: string | undefined; version?: number; signal: AbortSignal },
): Promise<TriedModel> {
  findModel(modelsDir, name, version);
  const runner = await startRunner({ provider: 'cpu', requireGpu: false, threads: 1, modelsDir });
  const kill = () => void runner.kill();
  signal.addEventListener('abort', kill, { once: true });
  try {
    const { signature, loadMs, prepare } = await runner.load(name, { version });
    const row = file === undefined ? madeUp(signature) : { payload: await fromFile(file, signature, signal) };
    if (row === undefined) return { signature, loadMs };
    const shown = file === undefined ? 'a row that was made up' : `the first row of ${printable(file)}`;
    const ran = await inRow(name, shown, async () =>
      runRow(runner, name, prepare === undefined ? row.payload : await prepared(row.payload, prepare)),
    );
    return { signature, loadMs, ...('input' in row ? { input: row.input } : {}), ...ran };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', kill);
    await runner.stop();
  }
}

function madeUp(signature: ModelSignature): { payload: Payload; input: unknown } | undefined {
  const input = exampleInput(signature, MOST_ELEMENTS);
  return input === undefined ? undefined : { input, payload: payloadFromValue(input, signature) };
}

/** The first row of a file. */
async function fromFile(file: string, signature: ModelSignature, signal: AbortSignal): Promise<Payload> {
  const input = await readInput({ path: file }, signature, { signal, chunkRows: 1, localFiles: true });
  if (input.kind === 'one') return input.payload;
  for await (const { place: _, ...payload } of input.chunks) return payload;
  throw new InferError('INPUT_EMPTY', `${file} holds no rows`, { hint: 'give one row or more' });
}

/** A row as the model takes it, prepared in a process of its own as a worker does. */
async function prepared(payload: Payload, plan: PreparePlan): Promise<Payload> {
  const pool = new PreparePool(() => 0, { processes: 1 });
  try {
    const { tensor, failed } = await pool.prepare(plan, rawRows(payload, plan), payload.rows, {
      over: false,
    });
    if (failed[0] !== undefined) throw failed[0].error;
    return preparedPayload(payload, plan, preparedTensors(plan, tensor, payload.rows));
  } finally {
    await pool.stop();
  }
}

async function runRow(
  runner: Runner,
  model: string,
  payload: Payload,
): Promise<{ result: unknown; runMs: number }> {
  const { outputs, failed, runMs } = await runner.run({ model, parts: [payload] });
  if (failed[0] !== undefined) throw failed[0].error;
  return { result: rowValues(outputs, 'json')[0], runMs };
}

/** Says which row failed. */
async function inRow<T>(name: string, row: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof InferError) || error.code === 'RUNNER_DIED') throw error;
    throw new InferError(error.code, `model ${name} fails on ${row}: ${error.message}`, {
      hint: error.hint ?? 'if that is not a valid row: --input FILE runs another one',
      cause: error,
    });
  }
}
