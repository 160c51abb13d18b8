import { messageOf } from '../../core/errors.js';

const TRIES = 5;

/**
 * Runs work again that a server refused for not knowing its script, so none of it was done (what
 * was done of a pipeline must be safe to repeat). ioredis sends a script's text itself, but not when
 * its first sending after a restart is answered CLUSTERDOWN or LOADING: it then takes it for known.
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
