import type { JobTrace } from '../core/job-trace.js';
import type { PreparePlan } from '../task/prepare-plan.js';
import type { Arena } from './arena.js';
import type { Fingerprint } from './fingerprint.js';
import type { HandlerLine } from './handler-output.js';
import type { RowFailure } from './row-failure.js';
import type { RowsSelection } from './selection.js';
import type { ModelSignature } from './signature.js';
import type { Payload } from './tensor.js';

/** Execution providers that a worker may request; `auto` = CUDA when its library loads, else CPU. */
export type Provider = 'auto' | 'cpu' | 'cuda' | 'webgpu' | 'tensorrt' | 'coreml' | 'dml';

export interface RunnerOptions {
  provider: Provider;
  /** GPU index, `GPU-<uuid>` or `MIG-<uuid>`: becomes the runner's CUDA_VISIBLE_DEVICES. */
  gpu?: string | undefined;
  /** Refuse to fall back to CPU (exit 69 GPU_UNAVAILABLE). */
  requireGpu: boolean;
  /** ONNX Runtime intra-op threads. */
  threads: number;
  /** Occasionally check while serving that rows of a run have the same outputs as alone [no]. */
  rowCheck?: boolean | undefined;
  /** Directory that contains `<name>/<version>/model.onnx`. */
  modelsDir: string;
}

export interface LoadedModel {
  signature: ModelSignature;
  /** The actual device: `cuda:0`, `webgpu:0`, `cpu`. */
  device: string;
  loadMs: number;
  /** Why it is not the requested device, if so. */
  fallback?: string;
  /** How its raw rows, such as images, are prepared before a run; absent for a model of tensors. */
  prepare?: PreparePlan;
  /** The files it was loaded from. */
  content: Fingerprint;
  /** Labels of the files that stay mapped into memory: external data. */
  mapped: string[];
  /** Timed runs; absent for a model that takes one row a run or has a handler. */
  warm?: WarmUp;
}

/** What runs of 1, 2 and 4 rows took when the model was loaded, as far as they were quick enough to be tried. */
export interface WarmUp {
  /** Input bytes of a row. */
  rowBytes: number;
  /** Rows and ms, smallest first. */
  times: (readonly [rows: number, ms: number])[];
}

/** How to load a model again, next to an earlier version of it. */
export interface LoadAs {
  /** Its name for runs [the model's name]. */
  session?: string | undefined;
  /** Version to load [the highest]. */
  version?: number | undefined;
  /** What its files must be: for a model that the worker already serves. */
  expect?: Fingerprint | undefined;
}

/** The run's time limits, from its jobs. */
export interface RunLimits {
  /** Milliseconds after which a handler's signal is aborted. */
  softMs?: number | undefined;
  /** Milliseconds after which the worker kills the process. */
  limitMs?: number | undefined;
}

/** What a runner is told about a run besides its rows. */
export interface RunOptions extends RunLimits {
  /** The outputs that its rows ask for, if any do; others are not made. */
  select?: RowsSelection[] | undefined;
}

export interface RunRequest extends RunLimits {
  /** Session of a loaded model: its name, unless it was loaded under another one. */
  model: string;
  /** Payloads with the same `shapeKey`, at most `maxBatch` rows together. */
  parts: Payload[];
  /** A job in it is traced. */
  traced?: boolean | undefined;
}

export interface RunReply {
  /** The outputs of all rows that have one, in order, after task or handler; rows first. */
  outputs: Payload;
  /** The other rows, in any order. */
  failed: RowFailure[];
  /** Milliseconds inside the runner, including pre- and post-processing. */
  runMs: number;
  /** When it began and ended, in ms of `hostClock`; absent: unknown. */
  at?: [begun: number, ended: number] | undefined;
  /** When it reached which point, if that was asked for. */
  trace?: JobTrace | undefined;
}

/** What a runner says of a run that was handed over. */
export interface HandOverEvents {
  /** It begins: the run before it has ended, and its reply was sent first. */
  onBegin(): void;
  /** The runner is free for it, and lacks a valid permit. */
  onAsk(): void;
}

/** A micro-batch that the runner has while another one runs. It begins only under a permit. */
export interface HandedOver {
  /**
   * It may begin until this moment, in ms of `hostClock`; null = at any time. After a run in which a row
   * failed, the runner accepts only null, and asks for it.
   */
  permit(until: number | null): void;
  /**
   * Takes it back; true when it has not begun and never will, false when it has. Known at once if it never had
   * a permit, else when the last one has expired at the latest, unless its worker is suspended.
   */
  takeBack(): Promise<boolean>;
  /** Undefined when it did not run: it was taken back, or the runner ended before it began. */
  readonly reply: Promise<RunReply | undefined>;
}

/** Why a runner ended, in words suitable for a job's error: `killed by SIGKILL`, `exit code 3`. */
export interface RunnerExit {
  reason: string;
  signal: NodeJS.Signals | null;
  code: number | null;
  /** True when `stop` or `kill` caused it. */
  expected: boolean;
}

/**
 * A process that holds ONNX Runtime sessions, pinned to one device. It may be killed at any time: pending
 * calls then reject with RUNNER_DIED, and `exited` resolves.
 */
export interface Runner {
  readonly pid: number;
  readonly exited: Promise<RunnerExit>;
  /** Loads an additional model. @throws InferError MODEL_CHANGED when it is not as expected. */
  load(model: string, as?: LoadAs): Promise<LoadedModel>;
  unload(session: string): Promise<void>;
  /** One micro-batch; one at a time. Rejects with RUN_FAILED and the model's own text. */
  run(request: RunRequest): Promise<RunReply>;
  /**
   * Sends the next micro-batch while a run is in progress; not before the last one that was handed over began.
   * Absent: it takes only one at a time.
   */
  handOver?(request: RunRequest, events: HandOverEvents): HandedOver;
  /** Resident bytes of the runner process. */
  memory(): Promise<number>;
  /** Asks it to exit after the current run; resolves when it has. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it has exited. The only way to end a run in progress. */
  kill(): Promise<void>;
}

/** `arena`: where large inputs are staged, if at all. `onLine` receives what handlers print. */
export type StartRunner = (
  options: RunnerOptions,
  arena?: Arena,
  onLine?: (line: HandlerLine) => void,
) => Promise<Runner>;
