import type { NoEtaCode, WhyCode } from './reasons.js';

/** What half, and nine of ten, of the jobs in this place stay within, in milliseconds from now. */
export interface EtaSpread {
  p50: number;
  p90: number;
}

/** When a job is expected to start and to end, from what was measured. */
export interface Eta {
  startMs: EtaSpread;
  endMs: EtaSpread;
  /** What it is made of: `120 jobs/s over 60 s, 2 workers`. */
  basis: string;
}

/** Why there is no ETA. */
export interface NoEta {
  code: NoEtaCode;
  text: string;
  /** The command that helps; null where time does. */
  fix: string | null;
}

/** Why a job has not started: one reason, the one that has to go first. */
export interface Why {
  code: WhyCode;
  /** One sentence without a full stop. */
  text: string;
  /** The command that helps; null where there is nothing to do but wait. */
  fix: string | null;
}

/** Where a job stands that has not started: the same judgement in the gateway, the commands and the library. */
export interface JobPlace {
  /**
   * Jobs that go first in its queue: waiting ones of a higher priority, or of the same and submitted earlier, and those
   * that workers hold and have not begun; without jobs whose model no worker serves. Exact but for what workers hold, which
   * is as old as a heartbeat. Rows are estimated. Null for a delayed job, which has no place yet.
   */
  position: { jobsAhead: number; rowsAheadEstimate: number } | null;
  /** Null where it cannot be told; `noEta` says why. */
  eta: Eta | null;
  noEta: NoEta | null;
  why: Why;
}
