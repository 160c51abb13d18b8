import { answerWithin } from '../core/bounded.js';
import { TIMER_MAX_MS } from '../core/bounds.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { Heard } from '../queue/broker/waiter.js';
import type { GroupRecord } from '../queue/types.js';
import { serverTime } from '../redis/server-clock.js';
import { checkOptions } from './call-options.js';
import type { SubmitOptions } from './types.js';

/** Limits of a whole call, even if something hangs. A queued job is not affected. */
export interface WaitOptions {
  /**
   * Time out after this many ms: WAIT_TIMEOUT for a queued job, MODEL_TIMEOUT, ROWS_TIMEOUT, else REDIS_…
   * [forever].
   */
  timeoutMs?: number | undefined;
  /** Ends the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** `run` alone: ms that the submit may take before the time of the wait begins [part of `timeoutMs`]. */
  submitMs?: number | undefined;
  /** `run` only: cancels the job when `signal` fires, since no one else knows its id [it continues]. */
  cancelOnAbort?: boolean | undefined;
}

/**
 * Milliseconds that a wait may exceed its limit for a last check of the job's state: it may have ended at
 * that moment. A silent Redis costs this time as well.
 */
const LAST_LOOK_MS = 250;

/**
 * The limits of a wait that checks a last time when its time is up.
 * @param submitMs time before the wait begins
 * @throws InferError TIMEOUT_RANGE (2)
 */
export function withLastLook(options: WaitOptions, submitMs = 0): WaitOptions {
  checkOptions(options);
  const { timeoutMs, signal } = options;
  return { signal, timeoutMs: timeoutMs === undefined ? undefined : timeoutMs + LAST_LOOK_MS + submitMs };
}

/** How often `onProgress` is called. */
export const PROGRESS_MS = 400;

export interface GroupProgress {
  onProgress?: ((group: GroupRecord) => void) | undefined;
}

export function deadlineOf(timeoutMs: number | undefined): number | undefined {
  return timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
}

/** Milliseconds until a job's deadline, if it has one, counted from when it may start. */
export function tickOf({ expiresMs, delayMs, startAt }: SubmitOptions): number | undefined {
  if (expiresMs === undefined) return undefined;
  return Math.max(0, delayMs ?? (startAt ?? 0) - serverTime()) + expiresMs;
}

/**
 * A notice, or undefined when it is time to check the job's state again.
 * @throws InferError WAIT_TIMEOUT (75) past the deadline; the signal's reason when it fired.
 */
export async function waitFor(
  heard: Promise<Heard | undefined>,
  limits: {
    id: string;
    deadline: number | undefined;
    signal: AbortSignal | undefined;
    tickMs?: number | undefined;
  },
): Promise<Heard | undefined> {
  const { id, deadline, signal, tickMs } = limits;
  signal?.throwIfAborted();
  const left = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - Date.now();
  if (left <= 0) throw timedOut(id);
  const sleep = Math.min(left, tickMs ?? Number.POSITIVE_INFINITY);
  const look = (): undefined => {
    signal?.throwIfAborted();
  };
  // A time beyond the maximum of a timer is waited for in steps.
  return answerWithin(Number.isFinite(sleep) ? Math.min(sleep, TIMER_MAX_MS) : sleep, heard, look, signal);
}

function timedOut(id: string): InferError {
  return new InferError('WAIT_TIMEOUT', `${printable(id)} did not end within the timeout; it continues`, {
    hint: `infer result ${printable(id)} --wait`,
  });
}
