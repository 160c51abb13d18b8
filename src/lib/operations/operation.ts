import type { AuditChannel, AuditLog, AuditOutcome } from '../queue/audit.js';
import type { RedisClient } from '../redis/types.js';

/** Who acts, and from where: what the audit log says. */
export interface Actor {
  who: string;
  host: string;
  channel: AuditChannel;
}

/** What an operation works with. */
export interface Hands {
  client: RedisClient;
  prefix: string;
  /** Ends it between two pages of jobs, never within one. */
  signal: AbortSignal;
  actor: Actor;
}

/** How far an operation has come. */
export type Progress =
  /** Jobs dealt with so far, and how many of them were changed [all]; `total` is undefined where it is not known. */
  | { kind: 'jobs'; done: number; changed?: number; total: number | undefined }
  /** An order goes out to so many workers. */
  | { kind: 'asking'; workers: number }
  /** A worker is still at it, and says with what. */
  | { kind: 'working'; worker: string; text: string }
  /** All were told; it waits until they have ended, or are back. */
  | { kind: 'awaiting'; workers: number; until: 'gone' | 'back' };

export type Report = (progress: Progress) => void;

/** What came of an operation, for the audit log. */
export interface Summary {
  /** Jobs, workers, queues or settings that were changed. */
  count: number;
  outcome: AuditOutcome;
  /** In words, from `audit-text.ts`. */
  result: string;
}

/**
 * One action that changes a deployment. Plans, previews and outcomes are data: counts, ids, states. Whoever shows them
 * puts them in words.
 */
export interface Operation<Plan, Outcome, Preview = Plan> {
  /** Its name in the audit log: `pause`, `purge`. */
  readonly action: string;
  /** What it is meant for: a queue, workers as typed, ids of jobs. */
  readonly target: string;
  /** Its further words, for the audit log. */
  readonly detail?: string | undefined;
  readonly log?: AuditLog | undefined;
  /** Reads, and changes nothing. @throws InferError for what is in the way, such as an unknown queue. */
  plan(hands: Hands): Promise<Plan>;
  /** Whether a person must agree before it is done. */
  needsConsent(plan: Plan): boolean;
  /** What a dry run answers; changes nothing. */
  preview(plan: Plan, hands: Hands, report: Report): Promise<Preview>;
  /** Does it. Memory is bounded where the outcome names no single jobs. */
  act(plan: Plan, hands: Hands, report: Report): Promise<Outcome>;
  summary(outcome: Outcome): Summary;
}
