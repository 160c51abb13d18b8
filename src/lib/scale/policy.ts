import type { QueueFacts } from './observation.js';

/** The user's wishes. */
export interface PolicyConfig {
  /** Minimum and maximum number of workers. */
  readonly min: number;
  readonly max: number;
  /** Spare workers beyond what is needed; more if a cold start takes much longer than the target. */
  readonly spare: number;
  /** Number of waiting jobs above which a worker is started whatever the rates say; null: no such rule. */
  readonly threshold: number | null;
  /** Longest acceptable wait of a job, ms. */
  readonly targetWaitMs: number;
  /** Time between two observations, ms. */
  readonly intervalMs: number;
}

/** The fleet as a policy sees it: counts, and when the starting workers began. */
export interface Fleet {
  /** Workers that are not draining. */
  readonly committed: number;
  /** Those that can take jobs. */
  readonly ready: number;
  /** Those that are busy. */
  readonly busy: number;
  /** When each of the starting ones began, ms since the epoch. */
  readonly startingSince: readonly number[];
  /** The time that 9 of 10 starts did not exceed, learned from this fleet, ms. */
  readonly coldStartMs: number;
}

/** A policy's wish, before bounds, slots and holds are applied. */
export interface Plan<State> {
  readonly state: State;
  /** The state to use instead if fewer are wanted but none was drained, for example because none can be. */
  readonly undrained?: State;
  /** Workers wanted. */
  readonly wanted: number;
  /** The reason with its numbers, without the change itself: `predicted wait 31.2s > 10s (…)`. */
  readonly because: string;
}

/**
 * Decides the number of workers. Pure: the same state and observation give the same plan, and the state is
 * plain JSON, so that a restarted controller continues where the last one ended.
 */
export interface Policy<State = unknown> {
  /** `step`, `fixed:4`, `predictive`. */
  readonly name: string;
  initial(): State;
  plan(state: State, now: number, queue: QueueFacts, fleet: Fleet): Plan<State>;
}
