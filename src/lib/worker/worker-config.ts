import { availableParallelism, hostname } from 'node:os';
import type { RunnerBounds } from '../config/runner-bounds.js';
import type { Settings } from '../config/settings.js';
import { InferError } from '../core/errors.js';
import { badName, isName, nameLike } from '../core/names.js';
import { findModel } from '../model/repository.js';
import { modelNames, type Skipped, surveyModels } from '../model/survey.js';
import type { WorkerConfig } from './host-config.js';

/** The flags of `infer worker` in addition to the settings. */
export interface WorkerFlags {
  model?: string[] | undefined;
  name?: string | undefined;
  burst: boolean;
  'max-jobs'?: number | undefined;
  'share-gpu': boolean;
  strict?: boolean;
  /** Only whether they were typed; their values are in the settings. */
  concurrency?: unknown;
  autoscale?: unknown;
}

/**
 * A worker's configuration from settings and flags. All models of the directory unless some are named.
 * @throws InferError MODEL_UNKNOWN, NO_MODELS, MODELS_DIR (66), USAGE (2) for --autoscale with flags it
 *   excludes.
 */
export function workerConfig(settings: Settings, flags: WorkerFlags, version: string): WorkerConfig {
  const { modelsDir, gpu } = settings;
  const autoscale = boundsOf(settings, flags);
  const concurrency = autoscale?.min ?? settings.concurrency;
  const models = flags.model ?? modelNames(modelsDir);
  for (const name of flags.model ?? []) checkThere(modelsDir, name);
  if (models.length === 0) {
    const skipped = firstSkipped(modelsDir);
    const why = skipped === undefined ? '' : `: ${skipped.reason}`;
    throw new InferError('NO_MODELS', `there is no model in ${modelsDir}${why}`, {
      hint: skipped?.fix ?? 'put one at models/<name>/1/model.onnx, or name another directory with --models',
    });
  }
  // One core is left for the worker itself and Redis; with a GPU, more threads would only spin. The threads
  // of a runner are fixed for its life: they are chosen for the maximum number of runners.
  const most = autoscale?.max ?? concurrency;
  const share = gpu === undefined ? Math.floor((availableParallelism() - 1) / most) : 1;
  return {
    name: flags.name === undefined ? `${hostname()}-${process.pid}` : checkWorkerName(flags.name),
    version,
    prefix: settings.prefix,
    queues: settings.queues,
    models,
    runner: {
      provider: autoscale === undefined ? settings.provider : 'cpu',
      gpu,
      requireGpu: settings.requireGpu,
      threads: settings.threads ?? Math.max(1, share),
      rowCheck: settings.rowCheck,
      modelsDir,
    },
    concurrency,
    autoscale,
    keepAliveMs: settings.autoscaleKeepAlive,
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
    strict: flags.strict,
    drainTimeoutMs: settings.drainTimeout,
  };
}

/** A name that does not exist is a typo; any other problem with a model shows when it is loaded. */
function checkThere(modelsDir: string, name: string): void {
  try {
    findModel(modelsDir, name);
  } catch (error) {
    if (!(error instanceof InferError) || error.code === 'MODEL_UNKNOWN') throw error;
  }
}

/** The first thing in the directory that looks like a model but is not one, one with a fix if there is. */
function firstSkipped(modelsDir: string): Skipped | undefined {
  const { skipped } = surveyModels(modelsDir);
  return skipped.find(({ fix }) => fix !== undefined) ?? skipped[0];
}

/** The bounds of its runners, unless a fixed number is given. */
function boundsOf(settings: Settings, flags: WorkerFlags): RunnerBounds | undefined {
  const { autoscale, gpu, requireGpu, provider } = settings;
  // A typed flag takes precedence over the environment and files.
  if (autoscale === undefined || (flags.concurrency !== undefined && flags.autoscale === undefined)) {
    return undefined;
  }
  if (flags.concurrency !== undefined) {
    throw usage('--concurrency and --autoscale say different things', 'leave one of them out');
  }
  if (gpu !== undefined || requireGpu || !['auto', 'cpu'].includes(provider)) {
    throw usage(
      '--autoscale is for runners on the CPU: those on a GPU would share its memory',
      'infer autoscale starts and stops whole workers, each on its own GPU',
    );
  }
  return autoscale;
}

function usage(message: string, hint: string): InferError {
  return new InferError('USAGE', message, { hint });
}

/** @throws InferError WORKER_NAME (exit 2): `-d` and `infer control` could not address it. */
function checkWorkerName(name: string): string {
  if (isName('worker', name)) return name;
  throw new InferError('WORKER_NAME', badName('worker', name), {
    hint: `--name ${nameLike('worker', name)}`,
  });
}
