import { setTimeout as delay } from 'node:timers/promises';

export interface PollLimits {
  /** The pause between two checks, ms. */
  everyMs: number;
  /** If given, each pause is half as long again as the last, up to this, ms. */
  mostMs?: number | undefined;
  /** Time after which no further check begins, ms; there is always at least one. */
  timeoutMs: number;
  /** Ends the wait, which then throws its reason. */
  signal?: AbortSignal | undefined;
  /** Rejects when the awaited result can no longer come. */
  failed?: Promise<never> | undefined;
}

/**
 * Checks repeatedly until there is an answer: for conditions that send no notification. The last check is
 * made when the time is over.
 * @param look undefined: not yet
 * @param late called when the time is over; its result is the answer
 * @throws what `look` and `late` throw; the reason of `signal`; what `failed` rejects with
 */
export async function pollUntil<T, L>(
  look: () => T | undefined | Promise<T | undefined>,
  { everyMs, mostMs, timeoutMs, signal, failed }: PollLimits,
  late: () => L | Promise<L>,
): Promise<T | L> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = everyMs; ; pauseMs = nextPause(pauseMs, mostMs)) {
    const found = await look();
    if (found !== undefined) return found;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return late();
    const pause = delay(Math.min(pauseMs, Math.ceil(leftMs)), undefined, { signal });
    const aborted = pause.catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
    await (failed === undefined ? aborted : Promise.race([aborted, failed]));
  }
}

function nextPause(pauseMs: number, mostMs: number | undefined): number {
  return mostMs === undefined ? pauseMs : Math.min(pauseMs * 1.5, mostMs);
}
