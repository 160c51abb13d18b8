import { messageOf } from '../../core/errors.js';

const TRIES = 5;

/**
 * Repeats work that a server refused because it did not know the script, so nothing was done (completed parts
 * of a pipeline must be safe to repeat). ioredis sends a script's text itself, but not when its first attempt
 * after a restart is answered with CLUSTERDOWN or LOADING: it then assumes that the script is known.
 */
export async function untilLoaded<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === TRIES || !messageOf(error).startsWith('NOSCRIPT')) throw error;
    }
  }
}
