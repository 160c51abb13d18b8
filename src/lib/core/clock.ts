/** A source of time; tests pass in a fake one. */
export interface Clock {
  /** Milliseconds since the epoch; for a clock that measures durations, since an arbitrary moment. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** For durations within this process: not affected when the host's clock or Redis's is set. */
export const monotonicClock: Clock = { now: () => performance.now() };
