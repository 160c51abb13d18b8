import { setTimeout as delay } from 'node:timers/promises';

export interface PollLimits {
  /** The pause between two looks, ms. */
  everyMs: number;
  timeoutMs: number;
  /** Ends the wait; its AbortError is thrown then. */
  signal?: AbortSignal | undefined;
  /** Rejects when what is waited for cannot come any more. */
  failed?: Promise<never> | undefined;
}

/**
 * Looks again and again until there is an answer: for what tells of itself nowhere.
 * @param late the error of a time-out; asked when it happens
 */
export async function pollUntil<T>(
  look: () => Promise<T | undefined>,
  { everyMs, timeoutMs, signal, failed }: PollLimits,
  late: () => unknown,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    const pause = delay(everyMs, undefined, { signal });
    await (failed === undefined ? pause : Promise.race([pause, failed]));
  }
  throw late();
}
