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
import { exampleInput } from '../../serve/gateway/example-input.js';

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
 * Loads a model on the CPU, which probes it, and runs one row: that of a file, else one of zeros and short texts.
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
    const { signature, loadMs } = await runner.load(name, { version });
    const row = file === undefined ? madeUp(signature) : { payload: await fromFile(file, signature, signal) };
    if (row === undefined) return { signature, loadMs };
    const ran = await runRow(runner, signature, row.payload, file);
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
  const input = exampleInput(signature);
  return input === undefined ? undefined : { input, payload: payloadFromValue(input, signature) };
}

/** The first row of a file. */
async function fromFile(file: string, signature: ModelSignature, signal: AbortSignal): Promise<Payload> {
  const input = await readInput({ path: file }, signature, { signal, chunkRows: 1 });
  if (input.kind === 'one') return input.payload;
  for await (const { place: _, ...payload } of input.chunks) return payload;
  throw new InferError('INPUT_EMPTY', `${file} holds no rows`, { hint: 'give one row or more' });
}

async function runRow(
  runner: Runner,
  { name }: ModelSignature,
  payload: Payload,
  file: string | undefined,
): Promise<{ result: unknown; runMs: number }> {
  try {
    const { outputs, failed, runMs } = await runner.run({ model: name, parts: [payload] });
    if (failed[0] !== undefined) throw failed[0].error;
    return { result: rowValues(outputs, 'json')[0], runMs };
  } catch (error) {
    if (!(error instanceof InferError) || error.code === 'RUNNER_DIED') throw error;
    const row = file === undefined ? 'a row of zeros' : `the first row of ${printable(file)}`;
    throw new InferError(error.code, `model ${name} fails on ${row}: ${error.message}`, {
      hint: error.hint ?? 'if that is not a valid row: --input FILE runs another one',
      cause: error,
    });
  }
}
