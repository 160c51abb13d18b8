import { messageOf } from '../../core/errors.js';
import { isInterrupted } from '../../redis/errors.js';

const UNLOADED_TRIES = 5;
/** A server that always closes the connection in the middle of the answers refuses something of the request. */
const INTERRUPTED_TRIES = 20;

/**
 * Repeats work that a server refused because it did not know the script, so nothing was done (completed parts
 * of a pipeline must be safe to repeat). ioredis sends a script's text itself, but not when its first attempt
 * after a restart is answered with CLUSTERDOWN or LOADING: it then assumes that the script is known.
 */
export function untilLoaded<T>(work: () => Promise<T>): Promise<T> {
  return repeat(work, UNLOADED_TRIES, (error) => messageOf(error).startsWith('NOSCRIPT'));
}

/** Repeats a pipeline whose connection was lost in the middle of its answers. @param work safe to repeat */
export function untilWhole<T>(work: () => Promise<T>): Promise<T> {
  return repeat(work, INTERRUPTED_TRIES, isInterrupted);
}

async function repeat<T>(
  work: () => Promise<T>,
  tries: number,
  mayRepeat: (error: unknown) => boolean,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === tries || !mayRepeat(error)) throw error;
    }
  }
}
