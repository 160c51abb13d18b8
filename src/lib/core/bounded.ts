/**
 * The one home of waits with a limit. Work that is given up goes on by itself: a promise cannot be
 * ended, so its outcome is ignored, and nothing of it counts as an unhandled rejection.
 */

import { TIMER_MAX_MS } from './bounds.js';

export interface WaitLimits {
  /** Milliseconds; none when undefined. Beyond what a timer holds (24.8 days) it is none either. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Does work within limits. `work` is given a signal that fires when a limit is reached: what has
 * several steps looks at it before each, so that no step is begun for a caller that has left.
 * @param late the error of a time-out; asked when it happens
 * @throws what `late` answers; the reason of `limits.signal` when that fired
 */
export async function bounded<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { timeoutMs, signal }: WaitLimits,
  late: () => unknown,
): Promise<T> {
  if (timeoutMs === undefined && signal === undefined) {
    // One of its own: a shared one would gather the listeners of all calls under way.
    return work(new AbortController().signal);
  }
  signal?.throwIfAborted();
  const over = new AbortController();
  const onAbort = () => over.abort(signal?.reason);
  const ended = new Promise<never>((_, reject) => {
    over.signal.addEventListener('abort', () => reject(over.signal.reason as Error), { once: true });
  });
  const timer =
    timeoutMs === undefined || timeoutMs > TIMER_MAX_MS
      ? undefined
      : setTimeout(() => over.abort(late()), Math.max(0, timeoutMs));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const working = work(over.signal);
    working.catch(() => undefined);
    return await Promise.race([working, ended]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Waits until work has settled, well or not, but no longer than `ms`, nor after `signal` has fired. False: it goes on. */
export function settledWithin(ms: number, work: Promise<unknown>, signal?: AbortSignal): Promise<boolean> {
  const settled = work.then(
    () => true,
    () => true,
  );
  return answerWithin(ms, settled, () => false, signal);
}

/**
 * What work answers, or what `late` does when that takes longer than `ms` or `signal` fires before.
 * @param ms beyond what a timer holds (24.8 days) there is no limit of time.
 * @throws what either throws.
 */
export async function answerWithin<T, L>(
  ms: number,
  work: Promise<T>,
  late: () => L,
  signal?: AbortSignal,
): Promise<T | L> {
  let giveUp = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    giveUp = resolve;
  }).then(late);
  const timer = ms > TIMER_MAX_MS ? undefined : setTimeout(giveUp, ms);
  signal?.addEventListener('abort', giveUp, { once: true });
  if (signal?.aborted === true) giveUp();
  work.catch(() => undefined);
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

/**
 * The values of a source for as long as `signal` has not fired. When it fires, also while the next value is
 * still to come, this throws its reason, and the source is asked to end (`return`). That is not waited for: a
 * generator hears of it only once its own wait is over.
 */
export async function* untilAborted<T>(
  source: AsyncIterable<T> | Iterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  signal.throwIfAborted();
  const iterator = (Symbol.asyncIterator in source ? source : valuesOf(source))[Symbol.asyncIterator]();
  // One listener for all values: a race with one promise would gather a reaction a value.
  let giveUp = (_reason: unknown): void => undefined;
  const onAbort = (): void => giveUp(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let ended = false;
  const next = () =>
    new Promise<IteratorResult<T>>((resolve, reject) => {
      giveUp = reject;
      Promise.resolve(iterator.next()).then(resolve, (error: unknown) => {
        ended = true;
        reject(error);
      });
    });
  try {
    for (let step = await next(); step.done !== true; step = await next()) {
      yield step.value;
      signal.throwIfAborted();
    }
    ended = true;
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!ended) {
      const left = (async () => iterator.return?.())();
      left.catch(() => undefined);
      if (!signal.aborted) await left;
    }
  }
}

async function* valuesOf<T>(source: Iterable<T>): AsyncGenerator<T, void, undefined> {
  yield* source;
}
