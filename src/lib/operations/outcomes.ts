import type { ErrorCode } from '../core/error-table.js';
import type { Priority } from '../core/job.js';
import type { AuditOutcome } from '../queue/audit.js';
import type { Order } from '../queue/broker/control.js';
import type { MoveOutcome } from '../queue/broker/move.js';
import type { Purged, PurgeState } from '../queue/broker/purge.js';
import type { Repaired } from '../queue/broker/repair.js';
import type { PriorityOutcome } from '../queue/broker/set-priority.js';

/* The outcome of each operation: counts, ids and states, for views and the audit log. */

/** The outcome for one of the given jobs. */
export interface JobRow<Outcome extends string> {
  id: string;
  /** Where it is now. */
  queue: string;
  outcome: Outcome;
}

/** How many succeeded, the overall outcome, and the error code if all failures have the same. */
export function tally<Outcome extends string>(
  rows: readonly JobRow<Outcome>[],
  isWell: (outcome: Outcome) => boolean,
): { well: number; outcome: AuditOutcome; code: string | undefined } {
  const well = rows.filter(({ outcome }) => isWell(outcome)).length;
  const outcome = well === rows.length ? 'ok' : well === 0 ? 'failed' : 'partial';
  const code = outcome === 'failed' ? singleCode(rows.map((row) => codeOf(row.outcome))) : undefined;
  return { well, outcome, code };
}

/** Error code of the reason why a job was not changed; undefined for outcomes such as `moved` or `same`. */
export const codeOf = (outcome: string): ErrorCode | undefined => CODES[outcome];

const CODES: Readonly<Record<string, ErrorCode>> = {
  unknown: 'JOB_UNKNOWN',
  newer: 'LAYOUT_NEWER',
  'id taken': 'ID_TAKEN',
  'not waiting': 'NOT_WAITING',
  'being moved': 'NOT_MOVABLE',
  'group open': 'NOT_MOVABLE',
  'chunk in a Cluster': 'NOT_MOVABLE',
} satisfies Partial<Record<MoveOutcome | PriorityOutcome, ErrorCode>>;

/** The code that all have in common; undefined if they differ. */
export function singleCode(codes: readonly (string | undefined)[]): string | undefined {
  const [code, ...others] = new Set(codes);
  return others.length === 0 ? code : undefined;
}

export interface PauseOutcome {
  queue: string;
  /** The requested state. */
  paused: boolean;
  /** False when it already was in that state. */
  changed: boolean;
  waiting: number;
  active: number;
  /** A worker serves it, or is loading its models for it. */
  served: boolean;
}

/** Jobs of a queue that would be purged. */
export interface PurgePlan {
  queue: string;
  /** By state. */
  jobs: Partial<Record<PurgeState, number>>;
  /** False if these are the sizes of the indexes: upper bounds that include jobs of a newer layout. */
  isExact: boolean;
  /** Waiting and delayed jobs of a newer layout, which are left alone, where they were counted. */
  newer: number;
}

/** Jobs that were, or would be, purged, and those of a newer layout that are left alone. */
export interface PurgeOutcome extends Purged {
  queue: string;
}

export interface QueueRepaired extends Repaired {
  queue: string;
  /** Jobs that were set aside as damaged, when the plan was made. */
  damagedJobs: number;
}

export interface MovedJobs {
  to: string;
  jobs: JobRow<MoveOutcome>[];
}

/** Whether a job has reached its target queue. */
export const isMoved = (outcome: MoveOutcome): boolean => outcome === 'moved' || outcome === 'same queue';

export interface PrioritisedJobs {
  priority: Priority;
  jobs: JobRow<PriorityOutcome>[];
}

/** Whether a job has the requested priority. */
export const isPrioritised = (outcome: PriorityOutcome): boolean =>
  outcome === 'changed' || outcome === 'same';

export interface RevokedJobs {
  cancelled: number;
  /** Running ones, to be stopped by their workers. */
  active: number;
  /** Those that had ended before their turn. */
  ended: number;
  /** Those of a newer layout, which only that release can cancel. */
  newer: number;
}

/** One worker's response to an order. */
export interface WorkerOutcome {
  id: string;
  name: string;
  host: string;
  /** `busy`: it received the order but has not exited in the given time. */
  state: 'ok' | 'refused' | 'silent' | 'busy';
  /** The worker's answer; empty when it was silent. */
  said: string;
  code?: string | undefined;
  hint?: string | undefined;
  /** Milliseconds waited for the answer of a silent worker. */
  silentMs?: number | undefined;
  /** After how many milliseconds it had exited, or was back; for a busy one, how long was waited. */
  waited?: { until: 'gone' | 'back'; ms: number } | undefined;
}

export interface OrderedWorkers {
  order: Order;
  workers: WorkerOutcome[];
}

/** A deleted job or group. */
export interface ForgottenWork {
  id: string;
  jobs: number;
}

export interface RetriedJobs {
  /** Requeued jobs, by queue. */
  retried: Record<string, number>;
  jobs: number;
  /** Failed jobs of a newer layout, which were left alone. */
  newer: number;
}

export interface ServerChanged {
  what: 'settings' | 'user';
  /** Settings that were changed, on all servers together; 1 for a user. */
  count: number;
  /** The settings, read back from the servers, have the new values. */
  verified: boolean;
  /** Whether it survives a restart; null when that was not requested. */
  persisted: boolean | null;
}
