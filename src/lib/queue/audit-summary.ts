import { plural } from '../core/counts.js';
import { hasTrait } from '../core/error-table.js';
import { InferError, messageOf } from '../core/errors.js';
import type { JobState } from '../core/job.js';
import type { AuditOutcome } from './audit.js';
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
  /** The error code of a failure that has a single one. */
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
 * Jobs that cancelling one job has changed, 0 or 1. A damaged job, which counts as failed, is removed by it.
 * @param before its state; undefined when it is not known
 * @param after its state, as the cancel returned it
 */
export function changedByCancel(before: JobState | undefined, after: string): number {
  return (after === 'cancelled' || after === 'active') && before !== 'cancelled' ? 1 : 0;
}

/** Fails when there was nothing to cancel because all of it had ended in another way. */
export function cancelSummary(work: Pick<CancelledWork, 'kind' | 'state' | 'jobs'>): AuditSummary {
  const well = isCancelled(work) || work.jobs > 0;
  return { count: work.jobs, outcome: well ? 'ok' : 'failed', result: cancelledText(work) };
}

function cancelledText(work: Pick<CancelledWork, 'kind' | 'state' | 'jobs'>): string {
  const { kind, state, jobs } = work;
  if (jobs === 0) return isCancelled(work) ? 'was cancelled already' : `had ended: ${state}`;
  if (kind === 'job') return isCancelled(work) ? 'cancelled' : 'its worker was asked to stop it';
  return isCancelled(work)
    ? `${plural(jobs, 'job')} cancelled`
    : `${plural(jobs, 'job')} cancelled or being stopped`;
}

/**
 * Fails when a given job or group has no failed job; a filter or a queue may match none.
 * @param byId whether an id was given
 */
export function retrySummary(jobs: number, byId: boolean): AuditSummary {
  return { count: jobs, outcome: jobs === 0 && byId ? 'failed' : 'ok', result: retriedText(jobs) };
}

export function retriedText(jobs: number): string {
  return `${plural(jobs, 'job')} waiting again`;
}

/**
 * What is said of an action that failed or was stopped. Undefined when Redis does not answer: writing an
 * entry would only make the caller wait once more.
 * @param count what it had changed before
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
