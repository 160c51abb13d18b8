import type { Priority } from '../../core/job.js';
import type { Caller } from '../auth/caller.js';
import type { Gateway } from './gateway.js';

/** Work that a caller wants to submit. */
export interface WantedWork {
  queue: string;
  /** Name of the model, without a version. */
  model: string;
  rows: number;
  /** [0] */
  priority?: Priority | undefined;
  /** Milliseconds after which it expires when it has not started; undefined = never. */
  expiresMs?: number | undefined;
}

/** Work that was let in. It counts for the caller's limits until it has ended. */
export interface Admission {
  /** `RateLimit` and `RateLimit-Policy` for the answer; empty for a caller without a rate. */
  readonly headers: Readonly<Record<string, string>>;
  /** Says what was submitted. Without it the place is free again after a minute. */
  submitted(work: { id: string; queue: string }): void;
  /** Says that it has ended, or that nothing was submitted: the place is free. Never needed, but quicker than the look of the next caller. */
  over(): void;
}

const NOTHING: Admission = { headers: {}, submitted: () => undefined, over: () => undefined };

/**
 * Lets work in, or refuses it before any of it is queued: call it once for each request that submits, before the submit.
 * @throws InferError DRAINING (503), TOKEN_MODEL (403), RATE_LIMIT, JOBS_LIMIT, WAITING_LIMIT (429), QUEUE_FULL, WAIT_TOO_LONG (503),
 *   with `Retry-After` in the answer; REDIS_… (503).
 */
export async function admit(_gateway: Gateway, _caller: Caller, _wanted: WantedWork): Promise<Admission> {
  return NOTHING;
}
