/*
 * What the page reads of `api/history` and `api/events`: the types of `queue/history` and `queue/events`, which it
 * may not import. `test/unit/web/history-shapes.test.ts` fails to compile when they drift apart.
 */

export const RANGES = { '5m': '5 minutes', '1h': '1 hour', '24h': '24 hours', '14d': '14 days' } as const;
export type Range = keyof typeof RANGES;

export interface Times {
  p50: number;
  p95: number;
}

/** Figures of one step of a series. */
export interface HistoryPoint {
  /** Beginning of the step. */
  at: number;
  /** Milliseconds of it that are recorded. */
  ms: number;
  jobs: { completed: number; failed: number; expired: number; cancelled: number };
  /** Jobs submitted; null where that is not known. */
  added: number | null;
  rows: number;
  waitMs: Times | null;
  runMs: Times | null;
  totalMs: Times | null;
  batches: { count: number; rows: number | null };
  backlog: { waiting: { mean: number; max: number }; oldestMs: number } | null;
  busy: number | null;
  load: {
    rssBytes: number;
    gpu: { usedBytes: number; totalBytes: number; utilisation: number | null } | null;
  } | null;
}

/** The steps lie between `from` and `to`; one without a point was not recorded. */
export interface History {
  stepMs: number;
  from: number;
  to: number;
  points: HistoryPoint[];
}

export interface DeploymentEvent {
  id: string;
  at: number;
  kind: string;
  subject: { kind: string; name: string };
  text: string;
  alarm: boolean;
}

/** Oldest first. */
export interface EventPage {
  events: DeploymentEvent[];
  cursor: string;
}
