import type { JobCounts } from '../work-stats.js';

/** What a series is about: the whole deployment, or one queue, model or worker. */
export const SERIES_KINDS = ['all', 'queue', 'model', 'worker'] as const;
export type SeriesKind = (typeof SERIES_KINDS)[number];

/** How far back a reader looks. */
export const HISTORY_RANGES = ['5m', '1h', '24h', '14d'] as const;
export type HistoryRange = (typeof HISTORY_RANGES)[number];

/** Which series to read, and how far back. */
export interface HistoryQuery {
  kind: SeriesKind;
  /** Name of the queue, model or worker; unused for `all`. */
  name?: string | undefined;
  range: HistoryRange;
  /**
   * Milliseconds of one point: whole minutes, or whole hours for `14d`, and a divisor of a day. Omitted: a
   * minute for `5m` and `1h`, five minutes for `24h`, an hour for `14d`.
   */
  stepMs?: number | undefined;
}

/**
 * Milliseconds that 50, 95 and 99 of 100 did not exceed, to 2 % or 4 % as a rule and 16 % where they vary a
 * lot; and the maximum, exact.
 */
export interface Times {
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** A value that was looked at several times. */
export interface Level {
  mean: number;
  max: number;
}

/** Figures of one step. */
export interface HistoryPoint {
  /** Beginning of the step, ms since the epoch by Redis's clock. */
  at: number;
  /**
   * Milliseconds of it that are recorded, for rates: the current step, and one with a gap, has fewer than
   * `stepMs`.
   */
  ms: number;
  /** Jobs by how workers finished with them. */
  jobs: JobCounts;
  /** Failed jobs by error code. */
  failures: Record<string, number>;
  /** Jobs submitted; null where that is not known: for models and workers. */
  added: number | null;
  /** Rows of completed jobs. */
  rows: number;
  /** From submit to start, in runs, and from submit to end; null if no job ran. Workers have only `runMs`. */
  waitMs: Times | null;
  runMs: Times | null;
  totalMs: Times | null;
  /**
   * Micro-batches, the mean of their rows (null if there were none), and how many were closed for which
   * reason.
   */
  batches: { count: number; rows: number | null; closed: Record<string, number> };
  /** Jobs of the queue, as seen every ten seconds; null for models and workers, and where no one looked. */
  backlog: { waiting: Level; delayed: Level; active: Level; oldestMs: number } | null;
  /** Live workers; null except for `all`. */
  workers: Level | null;
  /** Share of their time in which workers held jobs, 0..1; null except for `all` and workers. */
  busy: number | null;
  /** The worker as seen every ten seconds; null except for workers. */
  load: WorkerLoad | null;
}

export interface WorkerLoad {
  /** Share of the time in which it held jobs, 0..1. */
  busy: number | null;
  rssBytes: number;
  /** Its GPU: usage by all programs, utilisation 0..1. */
  gpu: { usedBytes: number; totalBytes: number; utilisation: number | null } | null;
}

/** What `infer inspect history --json` and `GET /v1/history` return; fields are only ever added. */
export interface History {
  kind: SeriesKind;
  /** Null for `all`. */
  name: string | null;
  range: HistoryRange;
  stepMs: number;
  /** The steps lie between these, ms since the epoch. */
  from: number;
  to: number;
  /**
   * Oldest first. A step without a point was not recorded, since no worker ran; one in which nothing happened
   * has a point with zeros.
   */
  points: HistoryPoint[];
  /** Sum over all points; its `at` is `from`, its `ms` the recorded time. */
  total: HistoryPoint;
}

/** A series that exists. */
export interface SeriesName {
  kind: SeriesKind;
  /** Null for `all`. */
  name: string | null;
  /** When something was last recorded, ms since the epoch. */
  at: number;
}
