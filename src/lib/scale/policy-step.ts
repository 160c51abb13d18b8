import type { Policy, PolicyConfig } from './policy.js';

const PERIOD_MS = 10_000;
/** The usual value in such loops. */
const DEFAULT_THRESHOLD = 50;

interface StepState {
  /** Time of the next look, ms since the epoch. */
  readonly nextAt: number | null;
}

/**
 * The usual loop, kept as a baseline for comparison: every 10 s, if more jobs wait than the threshold and
 * fewer workers run than allowed, start one more. It never stops one.
 */
export function stepPolicy(config: PolicyConfig): Policy<StepState> {
  const threshold = config.threshold ?? DEFAULT_THRESHOLD;
  return {
    name: 'step',
    initial: () => ({ nextAt: null }),
    plan: (state, now, queue, fleet) => {
      const { committed } = fleet;
      if (state.nextAt !== null && now < state.nextAt)
        return { state, wanted: committed, because: 'the next look is every 10s' };
      const next = { nextAt: now + PERIOD_MS };
      const long = queue.waiting > threshold;
      return {
        state: next,
        wanted: long ? committed + 1 : committed,
        because: `${queue.waiting} waiting ${long ? '>' : '<='} ${threshold}`,
      };
    },
  };
}

/** A constant number of workers. */
export function fixedPolicy(count: number): Policy<null> {
  return {
    name: `fixed:${count}`,
    initial: () => null,
    plan: (state) => ({ state, wanted: count, because: `fixed at ${count}` }),
  };
}
