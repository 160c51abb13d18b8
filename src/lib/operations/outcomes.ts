import type { Priority } from '../core/job.js';
import type { AuditOutcome } from '../queue/audit.js';
import type { Order } from '../queue/broker/control.js';
import type { MoveOutcome } from '../queue/broker/move.js';
import type { PurgeState } from '../queue/broker/purge.js';
import type { Repaired } from '../queue/broker/repair.js';
import type { PriorityOutcome } from '../queue/broker/set-priority.js';

/* What came of each operation: counts, ids and states, for views and the audit log. */

/** What became of one job of those that were named. */
export interface JobRow<Outcome extends string> {
  id: string;
  /** Where it is now. */
  queue: string;
  outcome: Outcome;
}

/** How many went well, and what that comes to. */
export function tally<Outcome extends string>(
  rows: readonly JobRow<Outcome>[],
  isWell: (outcome: Outcome) => boolean,
): { well: number; outcome: AuditOutcome } {
  const well = rows.filter(({ outcome }) => isWell(outcome)).length;
  return { well, outcome: well === rows.length ? 'ok' : well === 0 ? 'failed' : 'partial' };
}

export interface PauseOutcome {
  queue: string;
  /** What it is to be. */
  paused: boolean;
  /** False when it was so already. */
  changed: boolean;
  waiting: number;
  active: number;
  /** Some live worker serves it. */
  served: boolean;
}

/** Jobs of a queue by state: those that are there, or those that were purged. */
export interface PurgeOutcome {
  queue: string;
  jobs: Partial<Record<PurgeState, number>>;
}

export interface QueueRepaired extends Repaired {
  queue: string;
  /** Jobs that were set aside as damaged, as the plan found them. */
  damagedJobs: number;
}

export interface MovedJobs {
  to: string;
  jobs: JobRow<MoveOutcome>[];
}

/** Whether a job is where it was meant to go. */
export const isMoved = (outcome: MoveOutcome): boolean => outcome === 'moved' || outcome === 'same queue';

export interface PrioritisedJobs {
  priority: Priority;
  jobs: JobRow<PriorityOutcome>[];
}

/** Whether a job has the priority that was asked for. */
export const isPrioritised = (outcome: PriorityOutcome): boolean =>
  outcome === 'changed' || outcome === 'same';

export interface RevokedJobs {
  cancelled: number;
  /** Running ones, which their workers stop. */
  active: number;
  /** That had ended before they were come to. */
  ended: number;
}

/** What one worker did with an order. */
export interface WorkerOutcome {
  id: string;
  name: string;
  host: string;
  /** `busy`: it was told, and has not ended in the time given. */
  state: 'ok' | 'refused' | 'silent' | 'busy';
  /** The worker's own words; empty when it was silent. */
  said: string;
  code?: string | undefined;
  hint?: string | undefined;
  /** Milliseconds that were waited for an answer, of a silent one. */
  silentMs?: number | undefined;
  /** After how many milliseconds it had ended, or was back; of a busy one, how long was waited. */
  waited?: { until: 'gone' | 'back'; ms: number } | undefined;
}

export interface OrderedWorkers {
  order: Order;
  workers: WorkerOutcome[];
}

export interface CancelledWork {
  id: string;
  kind: 'job' | 'group';
  queue: string;
  /** The state after: `active` when its worker was asked and has not let go of it yet. */
  state: string;
  /** Jobs that were cancelled, or whose workers were asked. */
  jobs: number;
}

/** Whether all of it has ended as cancelled; a group then counts as failed. */
export function isCancelled({ kind, state }: Pick<CancelledWork, 'kind' | 'state'>): boolean {
  return state === 'cancelled' || (kind === 'group' && state === 'failed');
}

/** What was deleted of a job or group. */
export interface ForgottenWork {
  id: string;
  jobs: number;
}

export interface RetriedJobs {
  /** Jobs that wait again, by queue. */
  retried: Record<string, number>;
  jobs: number;
}

export interface ServerChanged {
  what: 'settings' | 'user';
  /** Settings that were set, of all servers together; 1 for a user. */
  count: number;
  /** The servers, asked again, say what they were told. */
  verified: boolean;
  /** Whether it outlives a restart; null where that was not asked for. */
  persisted: boolean | null;
}
