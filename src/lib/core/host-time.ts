import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, hostClock } from './clock.js';

/** The host's clock with timers; tests pass in a fake one. */
export interface HostTime extends Clock {
  /** Calls `then` in `ms` or a little later; the returned function cancels that. */
  after(ms: number, then: () => void): () => void;
  /** Resolves in the next turn of the event loop, when what had arrived before has been read. */
  turn(): Promise<void>;
}

export const hostTime: HostTime = {
  now: () => hostClock.now(),
  after: (ms, then) => {
    const timer = setTimeout(then, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
  turn: () => nextTurn(),
};

/** Resolves in `ms` or a little later. */
export function sleep(time: HostTime, ms: number): Promise<void> {
  return new Promise((resolve) => {
    time.after(ms, resolve);
  });
}
