import { InferError } from '../../core/errors.js';
import { formatBytes } from '../../core/units.js';
import type { ModelFiles } from '../../model/model-files.js';
import { onnxFiles } from '../../model/onnx-files.js';
import { startRunner } from '../../model/process-runner.js';
import { findModel } from '../../model/repository.js';
import { modelNames, type Skipped, surveyModels } from '../../model/survey.js';
import { type Capability, type Check, fail, type Judgement, ok, several, warn } from '../check.js';

export const WORKERS: readonly Capability[] = ['CPU workers', 'GPU workers'];

/** The files of a model; undefined for one that cannot be read, which `models-found` reports. */
export function readable(dir: string, name: string): ModelFiles | undefined {
  try {
    return findModel(dir, name);
  } catch {
    return undefined;
  }
}

export const modelsFound: Check = {
  id: 'models-found',
  topic: 'models',
  title: 'models on disk',
  run: ({ loaded }) => {
    const { modelsDir } = loaded.values;
    const found: ModelFiles[] = [];
    const bad: InferError[] = [];
    let names: string[];
    try {
      names = modelNames(modelsDir);
    } catch (error) {
      if (!(error instanceof InferError)) throw error;
      return fail(error.message, error.hint, { blocks: WORKERS });
    }
    for (const name of names) {
      try {
        found.push(findModel(modelsDir, name));
      } catch (error) {
        if (!(error instanceof InferError)) throw error;
        bad.push(error);
      }
    }
    return judgeModels(modelsDir, found, bad, surveyModels(modelsDir).skipped);
  },
};

export function judgeModels(
  dir: string,
  found: readonly Pick<ModelFiles, 'name' | 'version' | 'sizeBytes'>[],
  bad: readonly InferError[],
  skipped: readonly Skipped[] = [],
): Judgement {
  const reasons = skipped.map(({ reason }) => reason);
  if (bad.length > 0) {
    const { found: line, details } = several([...bad.map((error) => error.message), ...reasons]);
    return fail(line, bad[0]?.hint, { details, blocks: found.length === 0 ? WORKERS : [] });
  }
  if (found.length === 0) {
    return fail(
      [`there is no model in ${dir}`, ...reasons.slice(0, 1)].join(': '),
      skipped.find(({ fix }) => fix !== undefined)?.fix ??
        'put one at <name>/1/model.onnx there, or name another directory with --models',
      {
        blocks: WORKERS,
      },
    );
  }
  if (reasons.length > 0) {
    const { found: line, details } = several(reasons);
    return warn(line, skipped.find(({ fix }) => fix !== undefined)?.fix, { details });
  }
  const lines = found.map((model) => `${model.name}@${model.version} (${formatBytes(model.sizeBytes)})`);
  const few = lines.length <= 5;
  return ok(`${few ? lines.join(', ') : `${lines.length} models`} in ${dir}`, few ? undefined : lines);
}

export const modelsRuntime: Check = {
  id: 'models-runtime',
  topic: 'models',
  title: 'ONNX Runtime',
  run: async ({ loaded }) => {
    const started = performance.now();
    try {
      const { modelsDir } = loaded.values;
      const runner = await startRunner({ provider: 'cpu', requireGpu: false, threads: 1, modelsDir });
      const ms = Math.round(performance.now() - started);
      await runner.stop();
      return ok(`onnxruntime-node ${onnxFiles().version} loads in ${ms} ms, in a separate process`);
    } catch (error) {
      if (!(error instanceof InferError)) throw error;
      return fail(error.message, error.hint, { blocks: WORKERS });
    }
  },
};
