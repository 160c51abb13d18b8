import type { Arena } from './arena.js';
import type { Fingerprint } from './fingerprint.js';
import type { HandlerLine } from './handler-output.js';
import type { RowFailure } from './row-failure.js';
import type { ModelSignature } from './signature.js';
import type { Payload } from './tensor.js';

/** Execution providers a worker may ask for; `auto` = CUDA when its library loads, else CPU. */
export type Provider = 'auto' | 'cpu' | 'cuda' | 'webgpu' | 'tensorrt' | 'coreml' | 'dml';

export interface RunnerOptions {
  provider: Provider;
  /** GPU index, `GPU-<uuid>` or `MIG-<uuid>`: becomes the runner's CUDA_VISIBLE_DEVICES. */
  gpu?: string | undefined;
  /** Refuse to fall back to CPU (exit 69 GPU_UNAVAILABLE). */
  requireGpu: boolean;
  /** ONNX Runtime intra-op threads. */
  threads: number;
  /** Check now and then in service that rows of a run are as they are alone [no]. */
  rowCheck?: boolean | undefined;
  /** Directory that holds `<name>/<version>/model.onnx`. */
  modelsDir: string;
}

export interface LoadedModel {
  signature: ModelSignature;
  /** Where it really runs: `cuda:0`, `webgpu:0`, `cpu`. */
  device: string;
  loadMs: number;
  /** Why the device is not the one asked for, when so. */
  fallback?: string;
  /** The files it was loaded from. */
  content: Fingerprint;
  /** Labels of those that stay mapped into memory: external data. */
  mapped: string[];
}

/** How a model is loaded a second time, next to an earlier version of it. */
export interface LoadAs {
  /** What runs call it [the model's name]. */
  session?: string | undefined;
  /** Version to load [the highest]. */
  version?: number | undefined;
  /** What its files must be: of a model that the worker serves already. */
  expect?: Fingerprint | undefined;
}

/** The time that a run may take, by the limits of its jobs. */
export interface RunLimits {
  /** Milliseconds after which a handler's signal is aborted. */
  softMs?: number | undefined;
  /** Milliseconds after which the worker ends the process. */
  limitMs?: number | undefined;
}

export interface RunRequest extends RunLimits {
  /** Session of a loaded model: its name, unless it was loaded under another. */
  model: string;
  /** Payloads of one `shapeKey`, at most `maxBatch` rows together. */
  parts: Payload[];
}

export interface RunReply {
  /** The rows of all parts that have an output, in order, after task or handler; rows first. */
  outputs: Payload;
  /** The other rows, in no order. */
  failed: RowFailure[];
  /** Milliseconds inside the runner, pre- and post-processing included. */
  runMs: number;
}

/** Why a runner ended, in words fit for a job's error: `killed by SIGKILL`, `exit code 3`. */
export interface RunnerExit {
  reason: string;
  signal: NodeJS.Signals | null;
  code: number | null;
  /** True when `stop` or `kill` asked for it. */
  expected: boolean;
}

/**
 * A process that holds ONNX Runtime sessions, pinned to one device. It may be killed at any moment:
 * pending calls then reject with RUNNER_DIED, and `exited` resolves.
 */
export interface Runner {
  readonly pid: number;
  readonly exited: Promise<RunnerExit>;
  /** Loads a model in addition to those that are loaded. @throws InferError MODEL_CHANGED when it is not as expected. */
  load(model: string, as?: LoadAs): Promise<LoadedModel>;
  unload(session: string): Promise<void>;
  /** One micro-batch; one at a time. Rejects with RUN_FAILED and the model's own text. */
  run(request: RunRequest): Promise<RunReply>;
  /** Resident bytes of the runner process. */
  memory(): Promise<number>;
  /** Asks it to end after the current run; resolves when it has. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. The only way to end a run in progress. */
  kill(): Promise<void>;
}

/** `arena`: where large inputs are staged, if they are. `onLine` hears what handlers print. */
export type StartRunner = (
  options: RunnerOptions,
  arena?: Arena,
  onLine?: (line: HandlerLine) => void,
) => Promise<Runner>;
