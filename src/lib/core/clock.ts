/** A source of time; tests pass in a fake one. */
export interface Clock {
  /** Milliseconds since the epoch; for a clock that measures durations, since an arbitrary moment. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/**
 * The same in all processes of this host, and not affected when its clock is set: for moments that two of them
 * compare.
 */
export const hostClock: Clock = {
  now: () => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e3 + nanoseconds / 1e6;
  },
};

/** For durations within this process: not affected when the host's clock or Redis's is set. */
export const monotonicClock: Clock = { now: () => performance.now() };
