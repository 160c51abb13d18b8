/** Numbers in [0, 1). */
export type Random = () => number;

/** A small generator of sufficient quality (mulberry32): the same seed gives the same sequence. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Arrival times of independent requests, in ms from the start, in order: a Poisson process.
 * @param rate mean number of requests per second.
 */
export function* poissonArrivals(rate: number, durationMs: number, random: Random): Generator<number> {
  const meanGapMs = 1000 / rate;
  let at = 0;
  for (;;) {
    at += -Math.log(1 - random()) * meanGapMs;
    if (at >= durationMs) return;
    yield at;
  }
}
