import type { QueueSnapshot } from '../../queue/read/inspector.js';

/**
 * Milliseconds until the waiting jobs would be done with one more worker like those that serve the queue; null
 * when unknown, or when they become more even then. Pure.
 * @param workers that serve it, at least 1
 */
export function etaWithOneMore(
  { waiting, ratePerSecond, arrivalsPerSecond, etaMs }: QueueSnapshot,
  workers: number,
): number | null {
  if (waiting === 0 || ratePerSecond === null || workers === 0) return null;
  const more = ratePerSecond / workers;
  // Less than a second's work: it is being processed, and arrivals do not count.
  if (waiting <= ratePerSecond) return (waiting / (ratePerSecond + more)) * 1000;
  const drained = etaMs === null ? ratePerSecond - (arrivalsPerSecond ?? 0) : (waiting / etaMs) * 1000;
  return drained + more <= 0 ? null : (waiting / (drained + more)) * 1000;
}
