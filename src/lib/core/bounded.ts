/**
 * Waits for one piece of work, with a limit; repeated checks with a limit are in poll.ts. Abandoned work runs
 * on: a promise cannot be cancelled, so its outcome is ignored, and none of its errors counts as an unhandled
 * rejection.
 */

import { TIMER_MAX_MS } from './bounds.js';

export interface WaitLimits {
  /** Milliseconds; no limit when undefined, or beyond the maximum of a timer (24.8 days). */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Runs work within limits. `work` receives a signal that fires when a limit is reached: work with several
 * steps checks it before each, so that no step begins for a caller that has left.
 * @param late creates the error of a timeout; called when it happens
 * @throws the error from `late`; the reason of `limits.signal` when that fired
 */
export async function bounded<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { timeoutMs, signal }: WaitLimits,
  late: () => unknown,
): Promise<T> {
  if (timeoutMs === undefined && signal === undefined) {
    // A separate one: a shared signal would collect the listeners of all calls in progress.
    return work(new AbortController().signal);
  }
  signal?.throwIfAborted();
  const over = new AbortController();
  let giveUp = (_reason: unknown): void => undefined;
  const ended = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  const end = (reason: unknown) => {
    // First: the work may fail because of the signal.
    giveUp(reason);
    over.abort(reason);
  };
  const onAbort = () => end(signal?.reason);
  const timer =
    timeoutMs === undefined || timeoutMs > TIMER_MAX_MS
      ? undefined
      : setTimeout(() => end(late()), Math.max(0, timeoutMs));
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

/**
 * Waits until work has settled, successfully or not, but at most `ms`, and not beyond the firing of `signal`.
 * False: it is still running.
 */
export function settledWithin(ms: number, work: Promise<unknown>, signal?: AbortSignal): Promise<boolean> {
  const settled = work.then(
    () => true,
    () => true,
  );
  return answerWithin(ms, settled, () => false, signal);
}

/**
 * The result of work or, if that takes longer than `ms` or `signal` fires first, of `late`.
 * @param ms beyond the maximum of a timer (24.8 days) there is no time limit.
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
 * The values of a source until `signal` fires. When it fires, even while the next value is pending, this
 * throws its reason and asks the source to end (`return`), without waiting for it: a generator notices only
 * once its own wait is over.
 */
export async function* untilAborted<T>(
  source: AsyncIterable<T> | Iterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  signal.throwIfAborted();
  const iterator = (Symbol.asyncIterator in source ? source : valuesOf(source))[Symbol.asyncIterator]();
  // One listener for all values: racing with one promise would add a reaction per value.
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
