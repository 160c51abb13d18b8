import { hostClock } from './clock.js';

/**
 * The moments of one job that are recorded when its submitter asks for it, in the order in which they pass. Each is
 * read from the host's monotonic clock, which all processes of a host share and which no one can set, so stamps of
 * different processes can be subtracted. A worker on another host has another clock.
 */
export const TRACE_POINTS = [
  /** Client: the call began. */
  'called',
  /** Client: the job is about to be written to the connection. */
  'sent',
  /** Worker: it was woken. */
  'woken',
  /** Worker: the take is about to be written. */
  'asked',
  /** Worker: it has the job. */
  'taken',
  /** Worker: the run is about to be written to the runner. */
  'handed',
  /** Runner: it has read the run. */
  'received',
  /** Runner: pre-processing begins. */
  'started',
  /** Runner: post-processing has ended. */
  'ended',
  /** Worker: it has the outputs. */
  'answered',
  /** Worker: the outcome is about to be written. */
  'settled',
  /** Client: it has the notice. */
  'told',
  /** Client: the call returns. */
  'returned',
] as const;

export type TracePoint = (typeof TRACE_POINTS)[number];

/** Milliseconds of the host's monotonic clock, by point; filled in as the job proceeds. */
export type JobTrace = Partial<Record<TracePoint, number>> & {
  /** Client: Redis has answered that it has the job. The job goes on meanwhile, so this is no step of it. */
  added?: number;
};

/** Now, for a trace. `performance.now()` counts from the start of each process, so it cannot be compared. */
export function traceTime(): number {
  return hostClock.now();
}
