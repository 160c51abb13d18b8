import type { QueueFacts } from './observation.js';

/** What the user asked for. */
export interface PolicyConfig {
  /** Workers kept at the least, and started at the most. */
  readonly min: number;
  readonly max: number;
  /** Workers kept beyond what is needed; more with a cold start that is much longer than the target. */
  readonly spare: number;
  /** Waiting jobs above which a worker is started whatever the rates say; null: no such rule. */
  readonly threshold: number | null;
  /** Longest wait of a job that is good enough, ms. */
  readonly targetWaitMs: number;
  /** Time between two observations, ms. */
  readonly intervalMs: number;
}

/** The fleet as a policy sees it: counts, and when those that start will be ready. */
export interface Fleet {
  /** Workers that are not draining. */
  readonly committed: number;
  /** Of them, those that can take jobs. */
  readonly ready: number;
  /** Of them, those at work. */
  readonly busy: number;
  /** When each of the starting ones began, ms since the epoch. */
  readonly startingSince: readonly number[];
  /** What 9 of 10 starts took at most, learned from this fleet, ms. */
  readonly coldStartMs: number;
}

/** What a policy wants, before bounds, slots and hold rules. */
export interface Plan<State> {
  readonly state: State;
  /** The state instead, if fewer are wanted and none was drained: there may be none that could be. */
  readonly undrained?: State;
  /** Workers wanted. */
  readonly wanted: number;
  /** Why, with the numbers, without the change itself: `predicted wait 31.2s > 10s (…)`. */
  readonly because: string;
}

/**
 * How many workers. Pure: the same state and observation give the same plan, and the state is plain
 * JSON, so that a controller that is started again goes on where the last one ended.
 */
export interface Policy<State = unknown> {
  /** `step`, `fixed:4`, `predictive`. */
  readonly name: string;
  initial(): State;
  plan(state: State, now: number, queue: QueueFacts, fleet: Fleet): Plan<State>;
}
