import type { FailureRecord } from '../core/errors.js';
import type { JobState, Priority, TerminalState } from '../core/job.js';
import type { JobTrace } from '../core/job-trace.js';
import type { RowPlace } from '../core/row-place.js';
import type { AloneReason } from '../model/batching.js';
import type { DeviceBusy } from './device-busy.js';
import type { DataLayout } from './layout.js';

/** A chunk's place in its group. */
export interface ChunkOf extends RowPlace {
  id: string;
  index: number;
  /** The group's queue, if the chunk was moved to another one. */
  home?: string | undefined;
}

/** What tells a group's own chunks from other jobs: a caller may have given a job the id of a chunk. */
export interface OwnedGroup {
  id: string;
  /** Name of the token that submitted it. */
  owner?: string | undefined;
}

/** What a job needs to know about itself; JSON in BullMQ's `data` field, so keep it small. */
export interface JobSpec {
  id: string;
  queue: string;
  model: string;
  /** The version it must run on; omitted: the version its worker serves. */
  version?: number | undefined;
  rows: number;
  priority: Priority;
  /** Seconds a result is kept; 0 = no result is stored (fire and forget). */
  resultTtl: number;
  /** Group id and this chunk's number, for a chunk of a bulk submission. */
  group?: ChunkOf | undefined;
  /** Reply list to push a notice to when the job ends. */
  reply?: string | undefined;
  /** Milliseconds since the epoch; the job does not start before. */
  notBefore?: number | undefined;
  /** Milliseconds since the epoch after which an unstarted job expires. */
  deadline?: number | undefined;
  /** Maximum number of attempts, including the first. */
  attempts?: number | undefined;
  /** First retry delay in ms; doubles with each retry. */
  retryDelayMs?: number | undefined;
  /** Milliseconds of run time; capped by the worker's own limits. */
  timeLimitMs?: number | undefined;
  softTimeLimitMs?: number | undefined;
  /** Mark of the layout it was submitted in (`layout.ts`); absent for the first. */
  layout?: string | undefined;
  /** Name of the token that submitted it; absent where none was asked for. */
  owner?: string | undefined;
  /**
   * Digest of the request, if its submitter chose the id: distinguishes the same request from another one.
   */
  digest?: string | undefined;
  /** Its submitter wants to know when it reached which point (`core/job-trace.ts`). */
  trace?: true | undefined;
}

/** What is known of a taken job. `model` is undefined when its data names none; then it cannot run. */
export type TakenSpec = Omit<JobSpec, 'model'> & { model: string | undefined };

/** A job and its input, an encoded envelope. */
export interface NewJob {
  spec: JobSpec;
  input: Uint8Array;
  /**
   * Minimum size of its result in bytes, if the result is stored in the same Redis and the model determines
   * it.
   */
  resultBytes?: number | undefined;
  /** Where it is noted when it was sent. */
  trace?: JobTrace | undefined;
}

export interface SubmittedJob {
  id: string;
  /** True when a job with this id already existed and nothing was added. */
  duplicate: boolean;
}

/** A job held by a worker, under a lock that must be renewed. */
export interface TakenJob {
  spec: TakenSpec;
  /** Fencing token of this hold: every later hold on the same job, even by the same worker, has another. */
  token: string;
  input: Uint8Array;
  /** The take asked for its model. */
  routed?: boolean | undefined;
  /** When it was submitted and when it was taken, ms since the epoch, by Redis's clock. */
  submittedAt: number;
  takenAt: number;
  /** 1 for the first execution. Counts starts, including lost ones. */
  attempt: number;
  /** How often its lock expired before. */
  stalls: number;
  /** Failed executions before this one. */
  failures: number;
  /** Set when it cannot be run: the reason. */
  unrunnable?: Unrunnable | undefined;
  /** Its points so far, if its submitter asked for them. */
  trace?: JobTrace | undefined;
}

/** A taken job that names its model. */
export interface RunnableJob extends TakenJob {
  spec: JobSpec;
}

/** Why a job that was taken cannot be run. */
export type Unrunnable =
  /** Added by other BullMQ code: only id and queue of its spec are meaningful. */
  | { kind: 'foreign' }
  /** What is damaged in its data, in words. */
  | { kind: 'damaged'; what: string }
  /** It has a layout that this release does not know, so its spec is not read. */
  | { kind: 'newer'; layout: DataLayout };

/** How a worker ends its hold on a job. */
export type Settlement =
  | { kind: 'completed'; job: TakenJob; result: Uint8Array; meta: ResultMeta }
  | {
      kind: 'failed';
      job: TakenJob;
      failure: FailureRecord;
      meta: ResultMeta;
      /** Envelope of the rows that have an output, with `PartialMeta`, and the number of those rows. */
      partial?: Uint8Array | undefined;
      rowsDone?: number | undefined;
    }
  | { kind: 'expired' | 'cancelled'; job: TakenJob; failure: FailureRecord; meta: ResultMeta }
  | { kind: 'retry'; job: TakenJob; failure: FailureRecord; delayMs: number }
  /**
   * Back to its place in the queue as if never taken (shutdown, or a job that shared a killed run and was not
   * its cause); with `delayMs`, after that delay.
   */
  | { kind: 'release'; job: TakenJob; delayMs?: number | undefined };

/**
 * `meta` of a stored partial result: which rows it contains, out of how many, and why the others are missing.
 */
export interface PartialMeta {
  of: number;
  /** Ranges `[from, to)` of the rows, in the order of the stored outputs. */
  done: [number, number][];
  /** By row number: the failure, or its index in `causes`. */
  errors: Record<string, FailureRecord | number>;
  /**
   * Each distinct failure once: thousands of rows may fail for the same reason. Absent in results of older
   * workers.
   */
  causes?: FailureRecord[] | undefined;
}

/** Who ran it and how long it took; stored with the result. */
export interface ResultMeta {
  worker: string;
  device: string;
  attempts: number;
  /** Milliseconds from submit to start of the run. */
  queueMs: number;
  /**
   * Milliseconds of the micro-batches that contained this job, including failed and aborted ones; null when
   * it never ran.
   */
  runMs: number | null;
  /** Milliseconds from submit to end. */
  totalMs: number;
  /** Version of the model that ran it; not written by workers of older versions. */
  version?: number;
}

/**
 * A worker's capacity, in full runs of its models: half a run of one model and half a run of another add up
 * to one.
 */
export interface TakeRoom {
  /** Runs for idle runners. */
  idle: number;
  /**
   * Runs to prefetch, only of jobs that take at most `horizonMs`: others wait where any worker can take them.
   */
  ahead: number;
  horizonMs: number;
  /** Maximum number of jobs. */
  jobs: number;
  /** By route: rows of a full run, and its time in ms if known. */
  runs: ReadonlyMap<string, { rows: number; ms: number | undefined }>;
}

/** Everything known of one job, without its payload. */
export interface JobRecord {
  id: string;
  queue: string;
  state: JobState;
  /** Undefined when neither its data nor its name says it, such as for a damaged job. */
  model: string | undefined;
  /** The requested version of its model. */
  version?: number;
  rows: number;
  priority: Priority;
  submittedAt: number;
  startedAt?: number;
  finishedAt?: number;
  attempts: number;
  group?: ChunkOf;
  failure?: FailureRecord;
  meta?: ResultMeta;
  /** Seconds its result is kept; 0: not stored. The record itself is kept for at least a minute. */
  resultTtl?: number;
  /** Token of the hold that ended it; part of its result's key in a results Redis. */
  endedBy?: string;
  /** For `delayed`: when it may run, ms since the epoch. */
  runAt?: number;
  /** Name of the worker that holds it or held it last. */
  worker?: string;
  /** Its layout, if this release does not know it: then nothing in its data is read. */
  newer?: DataLayout;
  /** Name of the token that submitted it. */
  owner?: string;
  /** Digest of the request that submitted it, where its submitter chose the id. */
  digest?: string;
}

/** The current state of a bulk submission. */
export interface GroupRecord {
  id: string;
  queue: string;
  model: string;
  priority: Priority;
  state: 'waiting' | 'delayed' | 'active' | TerminalState;
  /** Rows and chunk jobs submitted so far; final once `closed`. */
  rows: number;
  jobs: number;
  closed: boolean;
  rowsDone: number;
  jobsCompleted: number;
  jobsFailed: number;
  submittedAt: number;
  /** When its chunks may start, ms since the epoch, if that is in the future. */
  startAt?: number;
  /**
   * For a group that is not closed and whose submitter is no longer active: ms since the submitter's last
   * sign of life. Such a group continues when its rows are sent again under its id, and ends when it is
   * cancelled.
   */
  submitterGoneMs?: number;
  finishedAt?: number;
  /** It was cancelled; absent for one that failed by itself. */
  cancelled?: true;
  /** Queues of the chunks that were moved to another queue, by chunk number. */
  moved?: Readonly<Record<number, string>>;
  /** Name of the token that submitted it. */
  owner?: string;
  /** Digest of the request that submitted it, where its submitter chose the id. */
  digest?: string;
  /** Digest of its rows as they came, where its submitter chose the id. */
  content?: string;
}

/** Why rows of a model run one at a time on a worker. */
export interface Unbatched {
  /** As found by the trial at load; `ROWS_MIXED` if found by a check while serving. */
  reason: AloneReason;
  /** One clause, naming the output and the difference. */
  text: string;
}

/** A model that a worker serves. */
export interface ServedModelRecord {
  name: string;
  version: number;
  /** Rows that currently run together, as configured or learned. */
  batch: number;
  /** Where the size is learned: rows and mean run time, ms, of the sizes tried; not written by older versions. */
  sizes?: [number, number][];
  /**
   * Digest of all files of the version, as `ModelSignature.digest`; not written by workers of older versions.
   */
  digest?: string;
  unbatched?: Unbatched | undefined;
  /** True when this version was requested explicitly, even if a higher one exists. */
  chosen?: boolean;
}

/** A model that a worker cannot load or reload, or whose files no longer match what it runs. */
export interface ModelProblem {
  model: string;
  /** Null if it was never loaded. */
  version: number | null;
  code: string;
  message: string;
  hint: string | null;
  /** Whether its jobs still run, on the version that was loaded. */
  served: boolean;
}

/** A worker's heartbeat: its configuration and state, JSON in Redis with a TTL. */
export interface WorkerRecord {
  id: string;
  name: string;
  host: string;
  pid: number;
  version: string;
  startedAt: number;
  beatAt: number;
  /**
   * How far its host's clock is ahead of Redis's, ms; negative: behind. Not written by workers of older
   * versions.
   */
  clockAheadMs?: number;
  state: 'starting' | 'ready' | 'draining';
  gpu: string | null;
  device: string;
  queues: string[];
  models: ServedModelRecord[];
  /** Marks of the layouts that it reads in addition to the first (`layout.ts`). */
  layouts?: string[];
  /** Its models directory, on its host. */
  modelsDir?: string;
  /** Problems with models that it serves or should serve. */
  modelProblems?: ModelProblem[];
  concurrency: number;
  /** Bounds within which it adjusts its concurrency; absent when concurrency is fixed. */
  autoscale?: { max: number; min: number } | undefined;
  /** CPU threads per run; not written by workers of older versions. */
  threads?: number;
  maxBatch: number | null;
  batchWindowMs: number;
  active: { id: string; queue: string; model: string; rows: number; sinceMs: number; attempt: number }[];
  /** Runs in progress, at most one a runner; not written by workers of older versions. */
  runs?: { model: string; sinceMs: number }[];
  /** Jobs held but not started: by queue, one number for each priority 0..9; absent in older versions. */
  notStarted?: Record<string, number[]>;
  jobsDone: number;
  rowsDone: number;
  jobsFailed: number;
  batches: number;
  /** Time since its start during which it held jobs, ms. */
  busyMs?: number | undefined;
  /** Of the last minute; absent when there was nothing to run, and in older versions. */
  deviceBusy?: DeviceBusy | undefined;
  rssBytes: number;
  /** Longest delay of the main process's event loop since the last beat, ms. */
  loopLagMs: number;
  /** The GPU it is pinned to: usage by all programs, at most a few seconds old; utilisation is 0..1. */
  gpuMemory?: { usedBytes: number; totalBytes: number; utilisation: number | null } | undefined;
}
