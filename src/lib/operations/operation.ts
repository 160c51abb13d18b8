import type { AuditChannel, AuditLog } from '../queue/audit.js';
import type { AuditSummary } from '../queue/audit-summary.js';
import type { RedisClient } from '../redis/types.js';

/** Who acts, and from where, for the audit log. */
export interface Actor {
  who: string;
  host: string;
  channel: AuditChannel;
}

/** The dependencies of an operation. */
export interface OperationContext {
  client: RedisClient;
  prefix: string;
  /** Stops it between two pages of jobs, never within one. */
  signal: AbortSignal;
  actor: Actor;
}

/** The progress of an operation. */
export type Progress =
  /** Jobs processed so far, and how many of them were changed [all]; `total` is undefined when unknown. */
  | { kind: 'jobs'; done: number; changed?: number; total: number | undefined }
  /** An order is being sent to this many workers. */
  | { kind: 'asking'; workers: number }
  /** A worker is still busy, and says with what. */
  | { kind: 'working'; worker: string; text: string }
  /** All were ordered; the operation waits until they have exited, or are back. */
  | { kind: 'awaiting'; workers: number; until: 'gone' | 'back' };

export type Report = (progress: Progress) => void;

/**
 * One action that changes a deployment. Plans, previews and outcomes are data: counts, ids, states. The code
 * that shows them words them.
 */
export interface Operation<Plan, Outcome, Preview = Plan> {
  /** Its name in the audit log: `pause`, `purge`. */
  readonly action: string;
  /** The target: a queue, workers as typed, ids of jobs. */
  readonly target: string;
  /** Its arguments, for the audit log. */
  readonly detail?: string | undefined;
  readonly log?: AuditLog | undefined;
  /** Read-only. @throws InferError for an obstacle, such as an unknown queue. */
  plan(context: OperationContext): Promise<Plan>;
  /** Whether a user must agree first. */
  needsConsent(plan: Plan): boolean;
  /** The result of a dry run; changes nothing. */
  preview(plan: Plan, context: OperationContext, report: Report): Promise<Preview>;
  /** Makes the change. Memory is bounded unless the outcome lists single jobs. */
  act(plan: Plan, context: OperationContext, report: Report): Promise<Outcome>;
  /** For the audit log; the text is from `audit-text.ts` or `queue/audit-summary.ts`. */
  summary(outcome: Outcome): AuditSummary;
}
