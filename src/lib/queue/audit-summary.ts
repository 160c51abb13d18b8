import { plural } from '../core/counts.js';
import { type ErrorCode, hasTrait } from '../core/error-table.js';
import { InferError, messageOf } from '../core/errors.js';
import type { JobState } from '../core/job.js';
import type { AuditOutcome } from './audit.js';
import { type NewerJobs, upgradeFix } from './layout.js';
import type { GroupRecord } from './types.js';

/*
 * What the audit log says about a cancel, a retry and a failure, in one place, so that commands and the
 * library cannot disagree. All pure.
 */

/** The outcome of an action, as the audit log keeps it. */
export interface AuditSummary {
  /** Jobs, workers, queues or settings that were changed. */
  count: number;
  outcome: AuditOutcome;
  /** In one line. */
  result: string;
  /** The error code, if all failures have the same. */
  code?: string | undefined;
}

/** A job or group that was to be cancelled. */
export interface CancelledWork {
  id: string;
  kind: 'job' | 'group';
  queue: string;
  /** The resulting state: `active` when its worker was asked and has not stopped it yet. */
  state: string;
  /** Jobs that were cancelled, or whose workers were asked. */
  jobs: number;
  /** Unfinished jobs of a group that were left alone. */
  newer?: NewerJobs | undefined;
}

/**
 * Whether all of it has ended as cancelled; a group then counts as failed.
 * @param work.cancelled whether a group was cancelled at all, and did not fail by itself [it was]
 */
export function isCancelled(
  work: Pick<CancelledWork, 'kind' | 'state'> & { cancelled?: boolean | undefined },
): boolean {
  const { kind, state, cancelled = true } = work;
  return state === 'cancelled' || (kind === 'group' && state === 'failed' && cancelled);
}

/** Jobs of a group that have not ended. */
export function openJobs({ jobs, jobsCompleted, jobsFailed }: GroupRecord): number {
  return Math.max(0, jobs - jobsCompleted - jobsFailed);
}

/**
 * Number of jobs that cancelling one job has changed, 0 or 1. Cancelling removes a damaged, failed job.
 * @param before its state; undefined if unknown
 * @param after its state, as returned by the cancel
 */
export function changedByCancel(before: JobState | undefined, after: string): number {
  return (after === 'cancelled' || after === 'active') && before !== 'cancelled' ? 1 : 0;
}

/** The audit entry of a cancel. */
type Cancelled = Pick<CancelledWork, 'kind' | 'state' | 'jobs' | 'newer'>;

/**
 * Number of jobs of a group that cancelling it has changed. The cancels do not count them: a cancel that was
 * sent again after a lost reply finds its job already cancelled.
 * @param before the group before the cancel
 * @param states number of its chunks by resulting state
 */
export function changedChunks(
  before: GroupRecord,
  states: Readonly<Record<string, number>>,
  newer: NewerJobs | undefined,
): number {
  const open = Math.max(0, openJobs(before) - (newer?.jobs ?? 0));
  return Math.min(open, (states.cancelled ?? 0) + (states.active ?? 0));
}

/** Fails when there was nothing to cancel because all of it had ended in another way. */
export function cancelSummary(work: Cancelled): AuditSummary {
  const { jobs, newer } = work;
  const result = cancelledText(work);
  if (newer !== undefined) return partSummary(jobs, newer.jobs, result);
  if (isCancelled(work) || jobs > 0) return { count: jobs, outcome: 'ok', result };
  return { count: jobs, outcome: 'failed', code: coded('JOB_ENDED'), result };
}

/**
 * The summary of an action on several jobs that leaves jobs of a newer layout alone.
 * @param jobs number of changed jobs
 * @param newer jobs that were left alone
 */
export function partSummary(jobs: number, newer: number, result: string): AuditSummary {
  if (newer === 0) return { count: jobs, outcome: 'ok', result };
  if (jobs > 0) return { count: jobs, outcome: 'partial', result };
  return { count: 0, outcome: 'failed', code: coded('LAYOUT_NEWER'), result };
}

/** `3 jobs of a newer infer left alone`; empty if there are none. */
export function newerText(jobs: number): string[] {
  return jobs === 0 ? [] : [`${plural(jobs, 'job')} of a newer infer left alone`];
}

/** `3 jobs of a newer infer left alone: upgrade infer here to 0.3.0 or newer`. */
export function newerFix({ jobs, layout }: NewerJobs): string {
  return `${newerText(jobs).join('')}: ${upgradeFix(layout)}`;
}

/** A code of the table, which the compiler checks. */
const coded = (code: ErrorCode): string => code;

function cancelledText(work: Cancelled): string {
  return [changedText(work), ...newerText(work.newer?.jobs ?? 0)].join(', ');
}

function changedText(work: Cancelled): string {
  const { kind, state, jobs } = work;
  if (jobs === 0) return isCancelled(work) ? 'was cancelled already' : `had ended: ${state}`;
  if (kind === 'job') return isCancelled(work) ? 'cancelled' : 'its worker was asked to stop it';
  return isCancelled(work)
    ? `${plural(jobs, 'job')} cancelled`
    : `${plural(jobs, 'job')} cancelled or being stopped`;
}

/**
 * Fails when a given job or group has no failed job; a filter or a queue may match none.
 * @param jobs number of requeued jobs
 * @param newer that were left alone
 * @param byId whether an id was given
 */
export function retrySummary(jobs: number, newer: number, byId: boolean): AuditSummary {
  const result = retriedText(jobs, newer);
  if (jobs + newer > 0 || !byId) return partSummary(jobs, newer, result);
  return { count: 0, outcome: 'failed', code: coded('NOT_FAILED'), result };
}

/** `3 jobs waiting again, 1 job of a newer infer left alone`. */
export function retriedText(jobs: number, newer = 0): string {
  return [`${plural(jobs, 'job')} waiting again`, ...newerText(newer)].join(', ');
}

/**
 * The audit entry of an action that failed or was stopped. Undefined when Redis does not answer: writing an
 * entry would only make the caller wait once more.
 * @param count number of jobs changed before
 */
export function failureSummary(
  error: unknown,
  signal: AbortSignal,
  count: number,
): (AuditSummary & { code: string }) | undefined {
  // A call that took too long is aborted with its own error, a command with the signal that stopped it.
  const cause: unknown = signal.aborted ? signal.reason : error;
  const code = cause instanceof InferError ? cause.code : signal.aborted ? 'INTERRUPTED' : 'INTERNAL';
  if (hasTrait(code, 'no-answer')) return undefined;
  return { count, outcome: 'failed', code, result: messageOf(cause) };
}
