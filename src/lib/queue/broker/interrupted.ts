import { isInterrupted } from '../../redis/errors.js';

/** A server that always closes the connection in the middle of the answers refuses something of the request. */
const TRIES = 20;

/** Repeats a pipeline whose connection was lost in the middle of its answers. @param work safe to repeat */
export async function untilWhole<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === TRIES || !isInterrupted(error)) throw error;
    }
  }
}
