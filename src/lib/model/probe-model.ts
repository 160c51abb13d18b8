import { InferError } from '../core/errors.js';
import { startRunner } from './process-runner.js';

import type { LoadedModel, Runner } from './runner.js';
import { modelNames } from './survey.js';

/** A model as read from disk, or why it could not be. */
export type ModelReading = { name: string; loaded: LoadedModel } | { name: string; error: InferError };

/**
 * Loads models one after another in a runner of its own on the CPU, to learn their signatures where no worker
 * has published them. One bad model fails alone, even if it crashes the runner.
 * @param names models to read; default: all in the directory.
 * @throws InferError MODELS_DIR when the directory does not exist, or an error of `startRunner`.
 */
export async function readSignatures(modelsDir: string, names?: readonly string[]): Promise<ModelReading[]> {
  const wanted = names ?? modelNames(modelsDir);
  const readings: ModelReading[] = [];
  let runner: Runner | undefined;
  try {
    for (const name of wanted) {
      runner ??= await startRunner({ provider: 'cpu', requireGpu: false, threads: 1, modelsDir });
      try {
        readings.push({ name, loaded: await runner.load(name) });
        await runner.unload(name);
      } catch (error) {
        if (!(error instanceof InferError)) throw error;
        readings.push({ name, error });
        if (error.code === 'RUNNER_DIED') runner = undefined;
      }
    }
    return readings;
  } finally {
    await runner?.stop();
  }
}
