import type { NoEtaCode, WhyCode } from './reasons.js';

/** Times that half, and nine of ten, of such jobs do not exceed, in milliseconds from now. */
export interface EtaSpread {
  p50: number;
  p90: number;
}

/** When a job is expected to start and to end, computed from measurements. */
export interface Eta {
  startMs: EtaSpread;
  endMs: EtaSpread;
  /** What it is based on: `120 jobs/s over 60 s, 2 workers`. */
  basis: string;
}

/** Why there is no ETA. */
export interface NoEta {
  code: NoEtaCode;
  text: string;
  /** The command that helps; null if none does. */
  fix: string | null;
}

/** Why a job has not started: one reason, the first to be resolved. */
export interface Why {
  code: WhyCode;
  /** One sentence without a full stop. */
  text: string;
  /** The command that helps; null if waiting is all that can be done. */
  fix: string | null;
}

/**
 * Position, ETA and reason of a job that has not started, the same in the gateway, the commands and the
 * library.
 */
export interface JobPlace {
  /**
   * Jobs that go first in its queue: waiting ones of a higher priority, or of the same priority and submitted
   * earlier, and those that workers hold but have not started; without jobs whose model no worker serves.
   * Exact except for jobs held by workers, which are as of the last heartbeat. Rows are estimated. Null for a
   * delayed job, which has no position yet.
   */
  position: { jobsAhead: number; rowsAheadEstimate: number } | null;
  /** Null if unknown, for the reason in `noEta`. */
  eta: Eta | null;
  noEta: NoEta | null;
  why: Why;
}
