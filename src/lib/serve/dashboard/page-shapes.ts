/* Requests and answers of the dashboard's pages; see `shapes.ts`, which exports them all. */

/** Filters of a list of jobs, as in `infer inspect jobs`; several values with commas. */
export interface JobsQuery {
  /** One id, of a job or a group; excludes the others. */
  id?: string;
  /** [those that have not ended] */
  state?: string;
  queue?: string;
  model?: string;
  worker?: string;
  /** `9`, or `5..9`. */
  priority?: string;
  /** `30s`, `5m`, `2h`. */
  olderThan?: string;
  /** A code, or part of a message. */
  error?: string;
  reverse?: 'true';
  /** 1..200 [50]. */
  limit?: string;
  cursor?: string;
}

export type JobState = 'waiting' | 'delayed' | 'active' | 'completed' | 'failed' | 'expired' | 'cancelled';

export interface JobRow {
  id: string;
  state: JobState;
  queue: string;
  model: string;
  rows: number;
  priority: number;
  submittedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  /** For a delayed job: when it may run. */
  runAt: number | null;
  ageMs: number;
  runMs: number | null;
  attempts: number;
  worker: string | null;
  error: { code: string; message: string } | null;
}

export interface JobsPage {
  items: JobRow[];
  /** Cursor of the next page. A page may hold fewer jobs than its limit, even none, and have a next one. */
  next: string | null;
  /** Jobs that may match, by the sizes of the lists; exact only if `exact`. */
  total: number;
  exact: boolean;
}

export type JobEventName =
  | 'submitted'
  | 'started'
  /** Its run failed, and it was put back for another attempt. */
  | 'retried'
  /** Its worker died or fell silent. */
  | 'lost'
  /** Its worker gave it back without running it. */
  | 'returned'
  /** Someone ran it again: `infer retry`. */
  | 'requeued'
  | 'completed'
  | 'failed'
  | 'expired'
  | 'cancelled';

/** One event in a job's life. */
export interface JobEvent {
  at: number;
  event: JobEventName;
  worker?: string;
  /** Of a start: 1 for the first. */
  attempt?: number;
  code?: string;
  message?: string;
  /** Of `retried`: time until the next attempt may start. */
  delayMs?: number;
}

/** Something that Redis keeps; `expiresInMs` null: until the job ends. */
export interface Kept {
  bytes: number;
  expiresInMs: number | null;
}

/** One job, without its payload. */
export interface JobPage {
  job: JobRow & {
    group: { id: string; index: number } | null;
    owner: string | null;
    deadline: number | null;
    attemptsAllowed: number | null;
    timeLimitMs: number | null;
    cancelAsked: boolean;
    /** Failed runs and lost workers. */
    failures: number;
    losses: number;
    /** Of an active job: until its lock expires unless it is renewed. */
    lockMs: number | null;
    device: string | null;
    modelVersion: number | null;
    queueMs: number | null;
    totalMs: number | null;
    /** Null: no longer kept, or never stored. */
    input: Kept | null;
    result: Kept | null;
    /** Until the record itself expires; null until the job has ended. */
    recordExpiresInMs: number | null;
  };
  timeline: JobEvent[];
  /** Starts before the listed ones, of which nothing is kept. */
  forgotten: number;
  /** Of a job that has not started; null of all others. */
  place: {
    position: { jobsAhead: number; rowsAheadEstimate: number } | null;
    eta: { startMs: { p50: number; p90: number }; endMs: { p50: number; p90: number }; basis: string } | null;
    /** Why there is no ETA. */
    noEta: { code: string; text: string; fix: string | null } | null;
    why: { code: string; text: string; fix: string | null };
  } | null;
  /** What can be done with it, if the caller has the scope and there are actions. */
  can: { cancel: boolean; rerun: boolean; priority: boolean };
}

/** The first values of an input or a result. */
export interface PayloadPreview {
  /** Bytes of the whole envelope. */
  bytes: number;
  /** Larger than what is decoded for a preview: then there are no tensors. */
  tooLarge: boolean;
  tensors: {
    name: string;
    type: string;
    /** Rows first, unless the tensor is shared by all rows. */
    shape: number[];
    bytes: number;
    values: unknown[];
    /** There are more values. */
    cut: boolean;
  }[];
}

export interface FailuresPage {
  groups: FailureRow[];
  /** Failed jobs that were looked at, the latest first, and how many there are. */
  looked: number;
  total: number;
}

/** Failed jobs with one error code. */
export interface FailureRow {
  code: string;
  jobs: number;
  queues: string[];
  models: string[];
  firstAt: number;
  lastAt: number;
  /** Id and message of the latest. */
  example: string;
  message: string;
  /** What the code means. */
  meaning: string | null;
  /** The command that runs them again. */
  fix: string;
  /** The filter for `retry`: that of `ActionRequest`. */
  filter: JobsFilter;
}

export interface TensorRow {
  name: string;
  type: string;
  /** Of one row; null is a dimension that may vary. */
  shape: (number | null)[];
  shared: boolean;
}

/** `api/model?name=NAME` */
export interface ModelPage {
  name: string;
  /** Versions with a known signature, the highest first. */
  versions: number[];
  version: number;
  task: string;
  labels: string[] | null;
  batchable: boolean;
  maxBatch: number | null;
  inputs: TensorRow[];
  outputs: TensorRow[];
  sizeBytes: number;
  digest: string;
  warnings: string[];
  workers: { worker: string; version: number; batch: number; unbatched: string | null }[];
  problems: { worker: string; code: string; message: string; hint: string | null }[];
  /** Measured by workers that chose the size of batches themselves; empty if none has. */
  sizes: { worker: string; rows: number; runMs: number }[];
}

export interface RedisPage {
  label: string;
  source: string;
  cluster: boolean;
  worst: 'ok' | 'warning' | 'critical';
  provider: { name: string; notes: string[] } | null;
  nodes: {
    label: string;
    usedMemoryBytes: number;
    maxMemoryBytes: number;
    findings: Finding[];
    /** More jobs that fit, as far as that can be told. */
    jobsThatFit: number | null;
  }[];
  /** When it was read; read again in the background after thirty seconds. */
  at: number;
}

/** One setting as `infer redis-tune` judges it. */
export interface Finding {
  setting: string;
  level: 'ok' | 'advice' | 'unknown' | 'warning' | 'critical';
  now: string;
  wanted: string;
  why: string;
  fix: string | null;
}

export interface AuditRow {
  at: number;
  who: string;
  host: string;
  channel: 'cli' | 'library' | 'http';
  action: string;
  target: string;
  detail: string;
  count: number | null;
  outcome: 'ok' | 'partial' | 'failed';
  code: string | null;
  result: string;
}

/** The newest first. */
export interface AuditPage {
  entries: AuditRow[];
  /** All that occur, for the filters. */
  actions: string[];
  people: string[];
}

/* Actions */

/** Selects jobs of one action: those that match all that is given. */
export interface JobsFilter {
  state?: string | undefined;
  queue?: string | undefined;
  model?: string | undefined;
  worker?: string | undefined;
  priority?: string | undefined;
  olderThan?: string | undefined;
  error?: string | undefined;
}

export type Action =
  | { action: 'pause' | 'resume'; queue: string }
  /** Cancels waiting and delayed jobs, deletes ended ones. */
  | { action: 'purge'; queue: string; states: Exclude<JobState, 'active'>[] }
  /** `worker`: a name or an id. */
  | { action: 'drain' | 'restart'; worker: string }
  | { action: 'concurrency'; worker: string; value: number }
  | { action: 'load' | 'unload'; worker: string; model: string }
  /** Runs a failed job again; cancels a job or a group. */
  | { action: 'retry' | 'cancel'; id: string }
  /** All failed jobs, or all that have not ended, that match. */
  | { action: 'retry' | 'cancel'; filter: JobsFilter }
  | { action: 'priority'; id: string; priority: number };

/** What an action would do; nothing has changed. */
export interface ActionPreview {
  action: Action;
  /** One sentence: `Cancels 41 waiting jobs of queue batch.` */
  text: string;
  /** Jobs, workers or queues that it would change: all of them, at most, or at least so many, as `bound` says. */
  count: number;
  bound: 'exact' | 'most' | 'least';
  /** It destroys or interrupts something: ask first. */
  destructive: boolean;
  /** The word to type before it is done; null: a click is enough. */
  typeToConfirm: string | null;
  /** Send it with the action. It fixes the moment: what came later is not touched. */
  ticket: string;
}

export interface ActionRequest {
  action: Action;
  /** Of the preview. 409 ACTION_CHANGED if the action would now touch more than the preview showed. */
  ticket: string;
}

/** An action that was begun. */
export interface ActionState {
  id: string;
  action: Action;
  text: string;
  /** Name of the token. */
  who: string;
  startedAt: number;
  endedAt: number | null;
  state: 'running' | 'ok' | 'partial' | 'failed' | 'stopped';
  /** Jobs or workers done so far; at the end those that were changed. */
  done: number;
  /** Null: not known. */
  total: number | null;
  /** `total` is an upper bound. */
  isMost: boolean;
  /** The outcome in words, as in the audit log; null while it runs. */
  result: string | null;
  error: { code: string; message: string; hint: string | null } | null;
}
