/** How one request (or one chunk of a group) ended, and where its time went, in ms. */
export interface Outcome {
  ok: boolean;
  /** Code of the failure; absent when it worked. */
  error?: string;
  /** From submit to start of its run, by the clocks of client and worker: whole milliseconds. */
  queueMs: number;
  /** In the model. */
  runMs: number;
  /** As the client sees it: from before the submit to the answer in hand. */
  totalMs: number;
  /** When it was queued, ms since the epoch; for work that was held back. */
  queuedAt?: number;
}

/** Work that was queued to be worked off. */
export interface Backlog {
  /** Single-row jobs, or the chunks of the group. */
  jobs: number;
  /** Resolves when all of it has ended. */
  ended: Promise<void>;
  /** One of each job; to be called after `ended`. `totalMs` is the worker's: from submit to end. */
  outcomes(): Promise<Outcome[]>;
}

/** What the workers have done so far, all together. */
export interface Work {
  rows: number;
  batches: number;
}

/** The system under load, as the load generator sees it. */
export interface Target {
  /** One row to its answer; a job that fails is an outcome, a broken system rejects. */
  run(row: number, urgent: boolean): Promise<Outcome>;
  /** Queues so many rows as single-row jobs or as one group; resolves when the last is queued. */
  queueRows(kind: 'singles' | 'group', rows: number): Promise<Backlog>;
  /** Keeps workers from starting work until the answer is called; absent where others use the system. */
  hold?: (() => Promise<() => Promise<void>>) | undefined;
  /** Counts that include everything that had ended when it was called; undefined when not to be had. */
  work(): Promise<Work | undefined>;
}
