import { ExitCode } from '../exit-codes.js';
import { errors } from './facts.js';

const MISSING = { exitCode: ExitCode.NoInput, httpStatus: 404, retryable: false, fault: 'caller' } as const;
/** Files of a model that cannot be used: only its owner can fix them. */
const UNUSABLE = { exitCode: ExitCode.BadConfig, httpStatus: 500, retryable: false, fault: 'model' } as const;
const FAILED = { exitCode: ExitCode.Negative, httpStatus: 500, retryable: false, fault: 'model' } as const;
const LATER = { exitCode: ExitCode.TryAgain, httpStatus: 503, retryable: true, fault: 'model' } as const;
const NO_DEVICE = {
  exitCode: ExitCode.Unavailable,
  httpStatus: 503,
  retryable: false,
  fault: 'device',
} as const;

/** Models, handlers, their runs and devices. */
export const MODEL_ERRORS = {
  ...errors(
    {
      exitCode: ExitCode.Usage,
      httpStatus: 409,
      retryable: false,
      fault: 'caller',
      doc: 'models.md#adding-and-checking-models',
    },
    { MODEL_EXISTS: 'The models directory already holds this version, or other settings of the model.' },
  ),
  ...errors(
    {
      exitCode: ExitCode.BadConfig,
      httpStatus: 500,
      retryable: false,
      fault: 'caller',
      doc: 'models.md#adding-and-checking-models',
    },
    { MODEL_NOT_WRITTEN: 'The model cannot be copied into the models directory.' },
  ),
  ...errors(
    { ...MISSING, doc: 'models.md#files-versions-links', traits: ['one-model'] },
    { MODEL_UNKNOWN: 'No model, or no version of it, has this name here or in any worker.' },
  ),
  ...errors(
    { ...MISSING, doc: 'models.md', traits: ['no-model'] },
    { MODELS_DIR: 'The models directory or model file does not exist, or is neither.' },
  ),
  ...errors({ ...MISSING, doc: 'models.md' }, { NO_MODELS: 'The models directory contains no model.' }),
  ...errors(
    {
      ...MISSING,
      httpStatus: 500,
      fault: 'device',
      doc: 'workers.md#models-that-do-not-load',
      traits: ['one-model', 'not-read'],
    },
    { MODEL_READ_FAILED: 'A file of the model no longer exists or cannot be read from its disk.' },
  ),
  ...errors(
    {
      ...UNUSABLE,
      exitCode: ExitCode.NotPermitted,
      fault: 'caller',
      doc: 'workers.md#models-that-do-not-load',
      traits: ['one-model', 'not-read'],
    },
    { MODEL_UNREADABLE: 'The user of this process may not read a file of the model.' },
  ),
  ...errors(
    {
      ...UNUSABLE,
      exitCode: ExitCode.NotPermitted,
      fault: 'caller',
      doc: 'workers.md#models-that-do-not-load',
      traits: ['no-model'],
    },
    { MODELS_DIR_UNREADABLE: 'The user of this process may not read the models directory.' },
  ),
  ...errors(
    {
      ...UNUSABLE,
      exitCode: ExitCode.Unavailable,
      fault: 'caller',
      doc: 'tasks.md#decoders',
      traits: ['one-model'],
    },
    { DECODER_MISSING: 'The package that decodes the rows of this model is not installed.' },
  ),
  ...errors(
    { ...FAILED, doc: 'tasks.md#in-the-worker' },
    { PREPARE_FAILED: 'A row ended the process that prepares rows, or took it too long.' },
  ),
  ...errors(
    { ...LATER, fault: 'device', doc: 'tasks.md#in-the-worker' },
    { PREPARE_UNAVAILABLE: 'The process that prepares rows does not start.' },
  ),
  ...errors(
    { ...UNUSABLE, doc: 'models.md#files-versions-links', traits: ['one-model'] },
    { MODEL_PATH: 'A file of the model is a broken link or leads out of its directory.' },
  ),
  ...errors(
    { ...UNUSABLE, doc: 'models.md#modeljson', traits: ['one-model'] },
    {
      MODEL_MANIFEST:
        'The `model.json` of the model, or another file with its settings, is wrong or does not fit it.',
    },
  ),
  ...errors(
    { ...UNUSABLE, doc: 'workers.md#models-that-do-not-load', traits: ['one-model'] },
    { MODEL_LOAD: 'The model cannot be loaded.' },
  ),
  ...errors(
    { ...UNUSABLE, doc: 'models.md#handlers', traits: ['one-model'] },
    { HANDLER_LOAD: 'The handler of the model cannot be loaded.' },
  ),
  ...errors(
    { ...UNUSABLE, doc: 'workers.md#models-that-do-not-load' },
    { NONE_LOADED: 'None of the models of the worker can be loaded.' },
  ),
  ...errors(
    {
      ...UNUSABLE,
      httpStatus: 503,
      retryable: true,
      doc: 'reliability.md#changed-models',
      traits: ['one-model', 'not-held'],
    },
    { MODEL_CHANGED: 'The files of the model have changed since the worker loaded it.' },
  ),
  ...errors(
    {
      ...UNUSABLE,
      httpStatus: 503,
      retryable: true,
      doc: 'workers.md#models-that-do-not-load',
      traits: ['not-held'],
    },
    { MODEL_UNSERVED: 'The worker that took the job cannot load its model.' },
  ),
  ...errors(
    { ...LATER, exitCode: ExitCode.Negative, doc: 'control.md#a-new-version-of-a-model' },
    { MODEL_REPLACED: 'The model was replaced or unloaded before the job ran.' },
  ),
  ...errors(
    { ...LATER, doc: 'library.md#errors-and-ids' },
    { MODEL_LOADING: 'A worker is still loading the model, so its inputs are not known yet.' },
  ),
  ...errors(
    { ...LATER, httpStatus: 504, doc: 'library.md#errors-and-ids' },
    { MODEL_TIMEOUT: 'The model was still being read when the time limit was reached; nothing was queued.' },
  ),
  ...errors(
    { ...FAILED, doc: 'architecture.md#when-a-run-fails' },
    { RUN_FAILED: 'The model failed on the input.' },
  ),
  ...errors(
    { ...FAILED, doc: 'models.md#handlers' },
    { HANDLER_FAILED: 'The handler of the model failed on the row.' },
  ),
  ...errors(
    { ...FAILED, doc: 'models.md#what-infer-detects' },
    {
      OUTPUT_ROWS: 'The model returned a different number of rows than it was given.',
      OUTPUT_MIXED: 'The rows of the job have different outputs, which cannot be one result.',
    },
  ),
  ...errors(
    { ...FAILED, doc: 'models.md#in-service', traits: ['not-the-rows'] },
    { ROWS_MIXED: 'Rows of the model depend on one another, so it has to run them one at a time.' },
  ),
  ...errors(
    { ...FAILED, httpStatus: 502, doc: 'reliability.md#faults' },
    { RUNNER_BROKEN: 'Jobs failed in one runner, one after another, so it is replaced.' },
  ),
  ...errors(
    {
      exitCode: ExitCode.Unavailable,
      httpStatus: 502,
      retryable: true,
      fault: 'model',
      doc: 'reliability.md#faults',
      traits: ['no-model', 'ends-runner'],
    },
    { RUNNER_DIED: 'The process that runs the model died.' },
  ),
  ...errors(
    {
      exitCode: ExitCode.Negative,
      httpStatus: 502,
      retryable: true,
      fault: 'device',
      doc: 'reliability.md#faults',
      traits: ['ends-runner'],
    },
    { DEVICE_ERROR: 'The device failed during the run, or ran out of memory.' },
  ),
  ...errors(
    { ...NO_DEVICE, doc: 'deploy.md', traits: ['no-model'] },
    { ONNX_RUNTIME: 'ONNX Runtime cannot be loaded on this host.' },
  ),
  ...errors(
    { ...NO_DEVICE, doc: 'workers.md#gpus', traits: ['no-model'] },
    { GPU_UNAVAILABLE: 'The model cannot run on the requested device.' },
  ),
  ...errors(
    { ...NO_DEVICE, doc: 'workers.md#gpus' },
    {
      GPU_DISCOVERY: 'The GPUs of this host cannot be listed.',
      GPU_UNKNOWN: 'This host has no such GPU.',
      NO_GPU: 'This host has no GPU that `nvidia-smi` shows.',
    },
  ),
  ...errors(
    { ...NO_DEVICE, retryable: true, doc: 'workers.md#gpus' },
    {
      GPU_IN_USE: 'Another worker uses the GPU.',
      GPU_LOST: 'The worker was silent for so long that another one took its GPU.',
    },
  ),
} as const;
