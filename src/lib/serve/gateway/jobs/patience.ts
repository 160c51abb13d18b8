import { answerWithin } from '../../../core/bounded.js';
import { InferError } from '../../../core/errors.js';
import { explain } from '../../../redis/connect.js';
import type { Gateway } from '../gateway.js';
import { patienceMs } from './visible.js';

/** Longest wait while Redis answers: a starting worker may still be loading the model. */
const LONG_MS = 35_000;
/** The first limit is over. One for all: a stack costs as much as the rest of a short wait. */
const STILL = new Error('it takes longer');

/**
 * Waits for work on Redis: up to 5 s while Redis is unreachable, longer while it answers.
 * @throws InferError REDIS_UNREACHABLE (503), HTTP_LATE (503); the signal's reason.
 */
export async function patiently<T>(
  gateway: Pick<Gateway, 'client'>,
  signal: AbortSignal,
  work: Promise<T>,
  mostMs = LONG_MS,
): Promise<T> {
  // The work has begun. If the caller has left, nothing awaits it, and its failure would be unhandled.
  work.catch(() => undefined);
  const { redis } = gateway.client;
  const firstMs = patienceMs(gateway);
  try {
    return await within(firstMs, work, signal, () => STILL);
  } catch (error) {
    if (error !== STILL) throw error;
  }
  const away = () => explain(redis, new Error('Connection is closed.'));
  if (redis.status !== 'ready') throw away();
  const late = () =>
    redis.status === 'ready' ? new InferError('HTTP_LATE', 'the server could not answer in time') : away();
  return within(Math.max(0, mostMs - firstMs), work, signal, late);
}

/** Every request waits like this, mostly for something that is there: `bounded` took three times as long (8 µs instead of 3). */
function within<T>(ms: number, work: Promise<T>, signal: AbortSignal, late: () => unknown): Promise<T> {
  signal.throwIfAborted();
  return answerWithin<T, never>(
    ms,
    work,
    () => {
      throw signal.aborted ? signal.reason : late();
    },
    signal,
  );
}
