import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { answerWithin, bounded, settledWithin, untilAborted } from '../../../src/lib/core/bounded.js';

const never = () => new Promise<never>(() => undefined);
const late = () => new Error('late');

describe('bounded', () => {
  it('returns or throws what the work does', async () => {
    const signal = new AbortController().signal;
    expect(await bounded(async () => 7, { timeoutMs: 10_000, signal }, late)).toBe(7);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    const failing = bounded(() => Promise.reject(new Error('own')), { timeoutMs: 10_000 }, late);
    await expect(failing).rejects.toThrow('own');
    expect(await bounded(async () => 8, {}, late)).toBe(8);
  });

  it('ends at the time limit even if the work hangs, aborts the work, and ignores its later failure', async () => {
    let told: AbortSignal | undefined;
    const work = (signal: AbortSignal) => {
      told = signal;
      return new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('ignored')));
      });
    };
    await expect(bounded(work, { timeoutMs: 5 }, late)).rejects.toThrow('late');
    expect(told?.aborted).toBe(true);
  });

  it('ends with the reason of the signal; with an aborted signal the work does not start', async () => {
    const leaving = new AbortController();
    const waiting = bounded(never, { signal: leaving.signal, timeoutMs: 10_000 }, late);
    leaving.abort(new Error('left'));
    await expect(waiting).rejects.toThrow('left');
    let begun = false;
    const work = async () => {
      begun = true;
    };
    await expect(bounded(work, { signal: leaving.signal }, late)).rejects.toThrow('left');
    expect(begun).toBe(false);
  });

  it("treats a time beyond a timer's range as no limit", async () => {
    const work = () => new Promise<string>((resolve) => setTimeout(() => resolve('done'), 20));
    expect(await bounded(work, { timeoutMs: 2 ** 40 }, late)).toBe('done');
    expect(await bounded(work, { timeoutMs: Number.POSITIVE_INFINITY }, late)).toBe('done');
  });
});

describe('settledWithin and answerWithin', () => {
  it('report whether work settled in time', async () => {
    expect(await settledWithin(10_000, Promise.reject(new Error('any')))).toBe(true);
    expect(await settledWithin(5, never())).toBe(false);
  });

  it('return a substitute for work that takes too long', async () => {
    expect(await answerWithin(10_000, Promise.resolve(1), () => 2)).toBe(1);
    expect(await answerWithin(5, never(), () => 2)).toBe(2);
    const throwing = () => {
      throw late();
    };
    await expect(answerWithin(5, never(), throwing)).rejects.toThrow('late');
  });

  it('end when the signal aborts, or is aborted already, and leave no listener on it', async () => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const waiting = answerWithin(10_000, never(), () => 2, signal);
    leaving.abort();
    expect(await waiting).toBe(2);
    expect(await settledWithin(10_000, never(), signal)).toBe(false);
    const other = new AbortController().signal;
    expect(await settledWithin(10_000, Promise.resolve(), other)).toBe(true);
    expect(getEventListeners(other, 'abort')).toEqual([]);
  });

  it("treat a time beyond a timer's range as no limit", async () => {
    const work = new Promise<void>((resolve) => setTimeout(resolve, 20));
    expect(await settledWithin(Number.POSITIVE_INFINITY, work)).toBe(true);
  });
});

describe('untilAborted', () => {
  /** Counts up, and records how it was closed. */
  function counting(upTo: number) {
    const seen = { next: 0, returned: 0 };
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          seen.next += 1;
          return seen.next > upTo ? { done: true, value: undefined } : { done: false, value: seen.next };
        },
        return: async () => {
          seen.returned += 1;
          return { done: true, value: undefined };
        },
      }),
    };
    return { seen, source };
  }

  async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
    const all: T[] = [];
    for await (const value of values) all.push(value);
    return all;
  }

  it('yields every value of a source or list, and leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    const { seen, source } = counting(3);
    expect(await collect(untilAborted(source, signal))).toEqual([1, 2, 3]);
    // It ended on its own, so it is not closed.
    expect(seen).toEqual({ next: 4, returned: 0 });
    expect(await collect(untilAborted(['a', 'b'], signal))).toEqual(['a', 'b']);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('does not start a source when the signal is already aborted', async () => {
    const { seen, source } = counting(3);
    await expect(collect(untilAborted(source, AbortSignal.abort(new Error('left'))))).rejects.toThrow('left');
    expect(seen).toEqual({ next: 0, returned: 0 });
  });

  it('ends between two values with the reason of the signal, and closes the source', async () => {
    const leaving = new AbortController();
    const { seen, source } = counting(3);
    const values = untilAborted(source, leaving.signal);
    expect(await values.next()).toEqual({ done: false, value: 1 });
    leaving.abort(new Error('left'));
    await expect(values.next()).rejects.toThrow('left');
    expect(seen).toEqual({ next: 1, returned: 1 });
    expect(getEventListeners(leaving.signal, 'abort')).toEqual([]);
  });

  it('ends while a value is pending, without waiting for a source that hangs', async () => {
    const leaving = new AbortController();
    let returned = 0;
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: never,
        return: () => {
          returned += 1;
          return never();
        },
      }),
    };
    const first = untilAborted(source, leaving.signal).next();
    await Promise.resolve();
    leaving.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
    expect(returned).toBe(1);
  });

  it('closes the source when the reader stops early, and waits for the close', async () => {
    const { signal } = new AbortController();
    const steps: string[] = [];
    async function* source() {
      try {
        yield 1;
        yield 2;
      } finally {
        await Promise.resolve();
        steps.push('source ended');
      }
    }
    for await (const value of untilAborted(source(), signal)) {
      steps.push(`read ${value}`);
      break;
    }
    expect(steps).toEqual(['read 1', 'source ended']);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    // Some have nothing to close.
    const endless: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 7 }) }),
    };
    const values = untilAborted(endless, signal);
    await values.next();
    expect(await values.return()).toEqual({ done: true, value: undefined });
  });

  it('fails with its source, which is not closed again', async () => {
    let returned = 0;
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error('own')),
        return: async () => {
          returned += 1;
          return { done: true, value: undefined };
        },
      }),
    };
    await expect(collect(untilAborted(source, new AbortController().signal))).rejects.toThrow('own');
    expect(returned).toBe(0);
  });

  it('keeps the reason of the signal even if closing the source fails', async () => {
    const leaving = new AbortController();
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: never,
        return: () => Promise.reject(new Error('cannot end')),
      }),
    };
    const first = untilAborted(source, leaving.signal).next();
    await Promise.resolve();
    leaving.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
  });
});
