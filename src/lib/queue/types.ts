import type { FailureRecord } from '../core/errors.js';
import type { JobState, Priority, TerminalState } from '../core/job.js';
import type { RowPlace } from '../core/row-place.js';
import type { AloneReason } from '../model/batching.js';
import type { DataLayout } from './layout.js';

/** A chunk's place in its group. */
export interface ChunkOf extends RowPlace {
  id: string;
  index: number;
  /** The group's queue, when the chunk was moved to another. */
  home?: string | undefined;
}

/** What one job needs to know of itself; JSON in BullMQ's `data` field, so keep it small. */
export interface JobSpec {
  id: string;
  queue: string;
  model: string;
  /** The version that it must run on; left out: the one its worker serves. */
  version?: number | undefined;
  rows: number;
  priority: Priority;
  /** Seconds a result is kept; 0 = no result is stored (fire and forget). */
  resultTtl: number;
  /** Group id and this chunk's number, for a chunk of a bulk submission. */
  group?: ChunkOf | undefined;
  /** Reply list to push a notice to when the job ends. */
  reply?: string | undefined;
  /** Milliseconds since the epoch before which it does not start. */
  notBefore?: number | undefined;
  /** Milliseconds since the epoch after which an unstarted job expires. */
  deadline?: number | undefined;
  /** Tries in all, first one included. */
  attempts?: number | undefined;
  /** First retry delay in ms; doubles each time. */
  retryDelayMs?: number | undefined;
  /** Milliseconds of run time; the worker's own limits cap these. */
  timeLimitMs?: number | undefined;
  softTimeLimitMs?: number | undefined;
  /** Mark of the layout it was submitted in (`layout.ts`); absent for the first. */
  layout?: string | undefined;
  /** Name of the token that submitted it; absent where none was asked for. */
  owner?: string | undefined;
  /** Digest of input and options as they came, where its submitter chose the id: tells the same request from another. */
  digest?: string | undefined;
}

/** A job and its input, an encoded envelope. */
export interface NewJob {
  spec: JobSpec;
  input: Uint8Array;
  /** Bytes that its result has at the least, where it goes to the same Redis and its model shows it. */
  resultBytes?: number | undefined;
}

export interface SubmittedJob {
  id: string;
  /** True when a job of this id was there already: nothing was added. */
  duplicate: boolean;
}

/** A job in a worker's hands, under a lock that must be renewed. */
export interface TakenJob {
  spec: JobSpec;
  /** Fencing token of this very hold: a later hold on the same job, even our own, has another. */
  token: string;
  input: Uint8Array;
  /** Its model was asked for when it was taken. */
  routed?: boolean | undefined;
  /** When it was submitted and when it was taken, ms since the epoch, by Redis's clock. */
  submittedAt: number;
  takenAt: number;
  /** 1 for the first execution. Counts starts, lost ones included. */
  attempt: number;
  /** Times its lock lapsed before. */
  stalls: number;
  /** Failed executions before this one. */
  failures: number;
  /** There when it cannot be run, and why. */
  unrunnable?: Unrunnable | undefined;
}

/** Why a job that was taken cannot be run. */
export type Unrunnable =
  /** Other BullMQ code added it: of its spec only id and queue mean anything. */
  | { kind: 'foreign' }
  /** What of its data is damaged, in words. */
  | { kind: 'damaged'; what: string }
  /** It has a layout that this release does not know: what its spec says is not read. */
  | { kind: 'newer'; layout: DataLayout };

/** How a worker ends its hold on a job. */
export type Settlement =
  | { kind: 'completed'; job: TakenJob; result: Uint8Array; meta: ResultMeta }
  | {
      kind: 'failed';
      job: TakenJob;
      failure: FailureRecord;
      meta: ResultMeta;
      /** Envelope of the rows that have an output, with `PartialMeta`, and how many those are. */
      partial?: Uint8Array | undefined;
      rowsDone?: number | undefined;
    }
  | { kind: 'expired' | 'cancelled'; job: TakenJob; failure: FailureRecord; meta: ResultMeta }
  | { kind: 'retry'; job: TakenJob; failure: FailureRecord; delayMs: number }
  /** Back to its place in the queue as if never taken (shutdown, an innocent of a killed run); with `delayMs` after so long. */
  | { kind: 'release'; job: TakenJob; delayMs?: number | undefined };

/** `meta` of a stored partial result: which rows of how many it holds, and why others have none. */
export interface PartialMeta {
  of: number;
  /** Ranges `[from, to)` of the rows, in the order of the stored outputs. */
  done: [number, number][];
  /** By row number: the failure, or its place in `causes`. */
  errors: Record<string, FailureRecord | number>;
  /** Each different failure once: thousands of rows may fail alike. Absent in results of older workers. */
  causes?: FailureRecord[] | undefined;
}

/** Who ran it and how long it took; stored with the result. */
export interface ResultMeta {
  worker: string;
  device: string;
  attempts: number;
  /** Milliseconds from submit to start of the run. */
  queueMs: number;
  /** Milliseconds of the micro-batches this job was in, also those that failed or were ended; null when it never ran. */
  runMs: number | null;
  /** Milliseconds from submit to end. */
  totalMs: number;
}

/** What a worker has room for, in full runs of its models: half a run of one and half of another are one. */
export interface TakeRoom {
  /** Runs for runners that have none. */
  idle: number;
  /** Runs to hold ahead of the next, of jobs that take `horizonMs` at most: others wait where any worker can take them. */
  ahead: number;
  horizonMs: number;
  /** Jobs at most. */
  jobs: number;
  /** By route: rows of a full run, and the time of one in ms, if that is known. */
  runs: ReadonlyMap<string, { rows: number; ms: number | undefined }>;
}

/** Everything known of one job, without its payload. */
export interface JobRecord {
  id: string;
  queue: string;
  state: JobState;
  model: string;
  rows: number;
  priority: Priority;
  submittedAt: number;
  startedAt?: number;
  finishedAt?: number;
  attempts: number;
  group?: ChunkOf;
  failure?: FailureRecord;
  meta?: ResultMeta;
  /** Seconds its result is kept; 0 keeps none. The record itself is kept a minute at least. */
  resultTtl?: number;
  /** Token of the hold that ended it; names its result in a results Redis. */
  endedBy?: string;
  /** For `delayed`: when it may run, ms since the epoch. */
  runAt?: number;
  /** Name of the worker that holds it, or held it last. */
  worker?: string;
  /** The layout that it was submitted in, where this release does not know it: of what its data says, nothing is read. */
  newer?: DataLayout;
  /** Name of the token that submitted it. */
  owner?: string;
  /** Digest of the request that submitted it, where its submitter chose the id. */
  digest?: string;
}

/** A bulk submission as its chunks stand now. */
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
  /** When its chunks may start, ms since the epoch, while that is to come. */
  startAt?: number;
  /**
   * Of a group that is not closed, and whose submit is no longer at work: ms since it was last heard of. Such
   * a group goes on when its rows are sent again under its id, and ends when it is cancelled.
   */
  submitterGoneMs?: number;
  finishedAt?: number;
  /** Queues of the chunks that were moved out of the group's, by their number. */
  moved?: Readonly<Record<number, string>>;
  /** Name of the token that submitted it. */
  owner?: string;
  /** Digest of the request that submitted it, where its submitter chose the id. */
  digest?: string;
  /** Digest of its rows as they came, where its submitter chose the id. */
  content?: string;
}

export interface QueueCounts {
  /** Also those that a worker holds and has not begun, as its last heartbeat said. */
  waiting: number;
  delayed: number;
  /** Jobs in a run, or between two of their runs. */
  active: number;
  completed: number;
  failed: number;
  expired: number;
  cancelled: number;
  paused: boolean;
  /** Waiting jobs by priority, index = priority 0..9. */
  byPriority: number[];
  /** Age of the longest waiting job in ms; undefined when none waits. */
  oldestMs: number | undefined;
}

/** Why rows of a model run one at a time in a worker. */
export interface Unbatched {
  /** As the trial at load found it; `ROWS_MIXED` where a check in service did. */
  reason: AloneReason;
  /** One clause, with the output and the difference. */
  text: string;
}

/** A model that a worker serves. */
export interface ServedModelRecord {
  name: string;
  version: number;
  /** Rows that run together now, as told or learned. */
  batch: number;
  /** Over all files of the version, as `ModelSignature.digest`; workers of older versions do not say. */
  digest?: string;
  unbatched?: Unbatched | undefined;
  /** True when someone named this version, although a higher one may be there. */
  chosen?: boolean;
}

/** A model that a worker cannot load, cannot load again, or whose files are no longer what it runs. */
export interface ModelProblem {
  model: string;
  /** Null where it was never loaded. */
  version: number | null;
  code: string;
  message: string;
  hint: string | null;
  /** Whether jobs of it are run all the same, on what was loaded. */
  served: boolean;
}

/** A worker's heartbeat: what it is and does, JSON in Redis with a TTL. */
export interface WorkerRecord {
  id: string;
  name: string;
  host: string;
  pid: number;
  version: string;
  startedAt: number;
  beatAt: number;
  /** How far its host's clock is ahead of Redis's, ms; negative: behind. Workers of older versions do not say. */
  clockAheadMs?: number;
  state: 'starting' | 'ready' | 'draining';
  gpu: string | null;
  device: string;
  queues: string[];
  models: ServedModelRecord[];
  /** Marks of the layouts that it reads besides the first (`layout.ts`). */
  layouts?: string[];
  /** Where it finds its models, on its host. */
  modelsDir?: string;
  /** What is wrong with models that it serves, or should. */
  modelProblems?: ModelProblem[];
  concurrency: number;
  /** Bounds that it moves its concurrency between by itself; absent where that is fixed. */
  autoscale?: { max: number; min: number } | undefined;
  /** CPU threads of one run; workers of older versions do not say. */
  threads?: number;
  maxBatch: number | null;
  batchWindowMs: number;
  active: { id: string; queue: string; model: string; rows: number; sinceMs: number; attempt: number }[];
  /** Jobs that it holds and has not begun, by queue, a number for each priority 0..9; workers of older versions do not say. */
  notStarted?: Record<string, number[]>;
  jobsDone: number;
  rowsDone: number;
  jobsFailed: number;
  batches: number;
  /** Time since its start in which it held jobs, ms. */
  busyMs?: number | undefined;
  rssBytes: number;
  /** Longest delay of the main process's event loop since the last beat, ms. */
  loopLagMs: number;
  /** Of the GPU it is pinned to, all programs on it together, at most some seconds old; utilisation is 0..1. */
  gpuMemory?: { usedBytes: number; totalBytes: number; utilisation: number | null } | undefined;
}
