import { availableParallelism, hostname } from 'node:os';
import type { Settings } from '../config/settings.js';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { findModel, listModels } from '../model/repository.js';
import type { WorkerConfig } from '../worker/host.js';

/** What `infer worker` takes beside the settings. */
export interface WorkerFlags {
  model?: string[] | undefined;
  name?: string | undefined;
  burst: boolean;
  'max-jobs'?: number | undefined;
  'share-gpu': boolean;
}

/**
 * A worker as settings and flags want it. All models of the directory unless some are named.
 * @throws InferError MODEL_UNKNOWN, NO_MODELS, MODELS_DIR (66).
 */
export function workerConfig(settings: Settings, flags: WorkerFlags, version: string): WorkerConfig {
  const { modelsDir, concurrency, gpu } = settings;
  const models = flags.model ?? listModels(modelsDir).map((model) => model.name);
  for (const name of models) findModel(modelsDir, name);
  if (models.length === 0) {
    throw new InferError('NO_MODELS', `there is no model in ${modelsDir}`, {
      hint: 'put one at models/<name>/1/model.onnx, or name another directory with --models',
      exitCode: ExitCode.NoInput,
    });
  }
  // One core is left to the worker itself and to Redis; beside a GPU, threads would only spin.
  const share = gpu === undefined ? Math.floor((availableParallelism() - 1) / concurrency) : 1;
  return {
    name: flags.name ?? `${hostname()}-${process.pid}`,
    version,
    prefix: settings.prefix,
    queues: settings.queues,
    models,
    runner: {
      provider: settings.provider,
      gpu,
      requireGpu: settings.requireGpu,
      threads: settings.threads ?? Math.max(1, share),
      modelsDir,
    },
    concurrency,
    maxBatch: settings.maxBatch ?? null,
    latencyTargetMs: settings.latencyTarget,
    batchWindowMs: settings.batchWindow,
    lockMs: settings.lockTtl,
    timeLimitMs: settings.timeLimit,
    softTimeLimitMs: settings.softTimeLimit,
    failedTtl: settings.failedTtl,
    burst: flags.burst,
    maxJobs: flags['max-jobs'],
    shareGpu: flags['share-gpu'],
    drainTimeoutMs: settings.drainTimeout,
  };
}
