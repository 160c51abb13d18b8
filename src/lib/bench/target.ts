/** The outcome of one request (or one chunk of a group), and where its time went, in ms. */
export interface Outcome {
  ok: boolean;
  /** Code of the failure; absent on success. */
  error?: string;
  /** From submit to start of its run, by the clocks of client and worker: whole milliseconds. */
  queueMs: number;
  /** In the model. */
  runMs: number;
  /** As seen by the client: from before the submit until the answer has arrived. */
  totalMs: number;
  /** When it was queued, ms since the epoch; for work that was held. */
  queuedAt?: number;
}

/** Queued work to be processed. */
export interface Backlog {
  /** Single-row jobs, or the chunks of the group. */
  jobs: number;
  /** Resolves when all of it has ended. */
  ended: Promise<void>;
  /** The outcome of each job; call it after `ended`. `totalMs` is the worker's: from submit to end. */
  outcomes(): Promise<Outcome[]>;
}

/** The work done so far by all workers together. */
export interface Work {
  rows: number;
  batches: number;
}

/** The system under load, as seen by the load generator. */
export interface Target {
  /** Sends one row and waits for its answer; a failed job is an outcome, a broken system rejects. */
  run(row: number, urgent: boolean): Promise<Outcome>;
  /** Queues this many rows as single-row jobs or as one group; resolves when the last is queued. */
  queueRows(kind: 'singles' | 'group', rows: number): Promise<Backlog>;
  /**
   * Keeps workers from starting work until the returned function is called; absent where others use the
   * system.
   */
  hold?: (() => Promise<() => Promise<void>>) | undefined;
  /** Counts that include everything that had ended at the time of the call; undefined when unavailable. */
  work(): Promise<Work | undefined>;
}
