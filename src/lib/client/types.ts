import type { FailureRecord } from '../core/errors.js';
import type { JobState, Priority } from '../core/job.js';
import type { ValueForm } from '../model/rows.js';
import type { Task } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';
import type { DataLoss } from '../queue/data-mark.js';
import type { GroupRecord, JobRecord } from '../queue/types.js';

/** How to submit; omitted options have the defaults in brackets. */
export interface SubmitOptions {
  /** Model to run [the only one there is]. */
  model?: string | undefined;
  /** Queue [`realtime` for one row, `batch` for many]. */
  queue?: string | undefined;
  /** 0..9, 9 is most urgent [0]. */
  priority?: Priority | undefined;
  /** Your own id for the job: submitting it again refers to the same job [a new one]. */
  id?: string | undefined;
  /** Seconds the result is kept; 0: it is not stored [3600]. */
  resultTtl?: number | undefined;
  /** Milliseconds from now before which it does not start; a year at most [0]. */
  delayMs?: number | undefined;
  /** The same as a point in time, ms since the epoch; one in the past means now. Not with `delayMs`. */
  startAt?: number | undefined;
  /** Milliseconds after which an unstarted job expires, counted from when it may start. */
  expiresMs?: number | undefined;
  /** Retries after the first attempt, for failures that may be temporary [2]; bad input is never retried. */
  retries?: number | undefined;
  /** Milliseconds before the first retry; doubles with each retry [5000]. */
  retryDelayMs?: number | undefined;
  /** Milliseconds of run time after which the run is killed and the job fails [the worker's]. */
  timeLimitMs?: number | undefined;
  /**
   * Milliseconds of run time after which a job stops between two runs, keeping the rows done so far [the
   * worker's].
   */
  softTimeLimitMs?: number | undefined;
  /** Names of the outputs that the result has; `*`: all as the model gives them [as model.json says, else all]. */
  outputs?: readonly string[] | undefined;
  /**
   * Instead of an output its k highest scores, best first, with their indexes and labels: of the only output
   * that can have them, or by output. Of a classification, the k best classes as well [as model.json says].
   */
  topK?: number | Readonly<Record<string, number>> | undefined;
  /** Instead of these outputs only the index of the highest score [as model.json says]. */
  argmax?: string | readonly string[] | undefined;
  /**
   * The submitter, for a program that submits for others. The same id means another job for another owner
   * [none].
   */
  owner?: string | undefined;
  /**
   * With an `id`: a digest of the request. The id is refused for a request with another digest [it is not
   * compared].
   */
  digest?: string | undefined;
}

/** The caller of an action, for the audit log. */
export interface SteerOptions {
  /**
   * Person or program that requested the action. `cancel` and `retry` write an entry to the audit log only
   * with a name, since a program that cancels its own jobs would fill it; `retryFailed` always does
   * [INFER_OPERATOR, else the system's user].
   */
  as?: string | undefined;
}

/** How to run failed jobs again. */
export interface RetryOptions extends SteerOptions {
  /** Their new run time limit in ms; a worker's own limit still applies [as submitted]. */
  timeLimitMs?: number | undefined;
}

export interface SubmittedJob {
  id: string;
  queue: string;
  priority: Priority;
  model: string;
  /** The requested version of the model. */
  version?: number;
  rows: number;
  /** True when a job with this id already existed: nothing was added. */
  duplicate?: true;
}

export interface SubmittedGroup {
  group: string;
  queue: string;
  priority: Priority;
  model: string;
  rows: number;
  jobs: number;
  /** True when a complete group with this id already existed: nothing was added. */
  duplicate?: true;
}

/**
 * The state or outcome of a job. `result` is one row's value, or an array in input order; a failed row in it
 * is `{error}` and listed in `failedRows`, since a handler may return `{error}` too.
 */
export interface JobResult {
  id: string;
  queue: string;
  model: string;
  state: JobState;
  /** With 1, `result` is that row's value; otherwise an array of values. */
  rows: number;
  result?: unknown;
  /** The kind of `result`: classes, the model's outputs by name, or what a handler returned. */
  task?: Task;
  /** For a failed job: how many of its rows have a result nonetheless; absent when none has. */
  rowsDone?: number;
  /** Indexes in `result`, from 0, of the rows without one. */
  failedRows?: number[];
  /** Why it failed; for a job that will be retried, why the last attempt failed. */
  error?: FailureRecord;
  /** When a delayed job will be tried (again), ms since the epoch. */
  nextRunAt?: number;
  attempts: number;
  worker: string | null;
  device: string | null;
  timing: { queueMs: number; runMs: number | null; totalMs: number } | null;
  /** The submitter, if it was given. */
  owner?: string;
}

/** The job or group of an id. `stored` is the result envelope of an ended job, if it is kept. */
export type Found =
  | { kind: 'job'; record: JobRecord; stored: Buffer | undefined }
  | { kind: 'group'; group: GroupRecord };

/** What may refuse a result by throwing, told its size in bytes before it is read. */
export type HoldResult = (bytes: number) => void;

/** What a look may refuse, before it reads the result. */
export interface LookLimits {
  /** Told who submitted it; may throw. */
  see?: ((owner: string | undefined) => void) | undefined;
  hold?: HoldResult | undefined;
  /** A result of more bytes is not read; 0: none is [no limit]. */
  mostBytes?: number | undefined;
}

/** Memory for chunks of a group that were read and are not passed on yet. */
export interface ChunkMemory {
  /** Whether chunks may be read ahead of the next one. */
  readonly hasRoom: boolean;
  took(bytes: number): void;
  gave(bytes: number): void;
}

/** State of a job, with its result as the tensors that the worker stored. */
export interface JobTensors extends Omit<JobResult, 'result' | 'task' | 'failedRows'> {
  /** For a failed job: the outputs of the rows that have one. */
  outputs?: Payload;
  /** Version of the model that ran it; absent where its worker did not say. */
  version?: number;
}

/** Consecutive rows of a group, in input order: their values, or why they have none. */
export interface GroupChunk {
  /** Number of the chunk job of the first row; -1 when its record has expired. */
  index: number;
  firstRow: number;
  rows: number;
  values?: unknown[];
  /** Indexes in `values`, from 0, of rows that failed. */
  failedRows?: number[];
  error?: FailureRecord;
}

/** Data that Redis lost. Times in ms since the epoch, by Redis's clock. */
export type { DataLoss } from '../queue/data-mark.js';

export interface ConnectOptions {
  /** `redis://…`, `rediss://…`, `unix:///…` [INFER_REDIS_URL, the configuration file, or a local one]. */
  redis?: string | undefined;
  /** First part of every key [`infer`]. */
  prefix?: string | undefined;
  /** Seconds results are kept [3600]. */
  resultTtl?: number | undefined;
  /**
   * Called when Redis has lost data while this client lives: all of it, or the latest writes. Work accepted
   * before may have to be submitted again [process.emitWarning].
   */
  onDataLost?: ((loss: DataLoss) => void) | undefined;
  /**
   * How results represent values without a JSON number [exact]: NaN, infinities and bigints unchanged, or
   * (`json`) as text, so that JSON.stringify loses nothing. `typed`: outputs of a model as `{type, shape, data}`
   * with typed arrays, which takes no time for large ones.
   */
  values?: ValueForm | undefined;
  /** Time out after this many ms: REDIS_TIMEOUT [only the time limit of a connection]. */
  timeoutMs?: number | undefined;
  /** Ends the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}
