import { setTimeout as delay } from 'node:timers/promises';

export interface PollLimits {
  /** The pause between two checks, ms. */
  everyMs: number;
  timeoutMs: number;
  /** Ends the wait, which then throws its AbortError. */
  signal?: AbortSignal | undefined;
  /** Rejects when the awaited result can no longer come. */
  failed?: Promise<never> | undefined;
}

/**
 * Checks repeatedly until there is an answer: for conditions that send no notification.
 * @param late creates the error of a timeout; called when it happens
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
