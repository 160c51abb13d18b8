/** Time as the code above sees it; tests hand in a fake one. */
export interface Clock {
  /** Milliseconds since the epoch; of a clock for durations, since some moment. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** For durations within this process: no clock that is set moves it, neither the host's nor that of Redis. */
export const monotonicClock: Clock = { now: () => performance.now() };
