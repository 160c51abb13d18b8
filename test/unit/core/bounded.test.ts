import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { answerWithin, bounded, settledWithin, untilAborted } from '../../../src/lib/core/bounded.js';

const never = () => new Promise<never>(() => undefined);
const late = () => new Error('late');

describe('bounded', () => {
  it('answers what the work answers, and throws what it throws', async () => {
    const signal = new AbortController().signal;
    expect(await bounded(async () => 7, { timeoutMs: 10_000, signal }, late)).toBe(7);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    const failing = bounded(() => Promise.reject(new Error('own')), { timeoutMs: 10_000 }, late);
    await expect(failing).rejects.toThrow('own');
    expect(await bounded(async () => 8, {}, late)).toBe(8);
  });

  it('ends at the time limit whatever hangs, and tells the work, whose later failure is ignored', async () => {
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

  it('ends with the reason of the signal; with one that has fired the work is not begun', async () => {
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

  it('takes a time beyond what a timer holds for none', async () => {
    const work = () => new Promise<string>((resolve) => setTimeout(() => resolve('done'), 20));
    expect(await bounded(work, { timeoutMs: 2 ** 40 }, late)).toBe('done');
    expect(await bounded(work, { timeoutMs: Number.POSITIVE_INFINITY }, late)).toBe('done');
  });
});

describe('settledWithin and answerWithin', () => {
  it('tell whether work settled in time', async () => {
    expect(await settledWithin(10_000, Promise.reject(new Error('any')))).toBe(true);
    expect(await settledWithin(5, never())).toBe(false);
  });

  it('answer in place of work that takes too long', async () => {
    expect(await answerWithin(10_000, Promise.resolve(1), () => 2)).toBe(1);
    expect(await answerWithin(5, never(), () => 2)).toBe(2);
    const throwing = () => {
      throw late();
    };
    await expect(answerWithin(5, never(), throwing)).rejects.toThrow('late');
  });

  it('give up when the signal fires, or has fired before, and leave no listener on it', async () => {
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

  it('take a time beyond what a timer holds for none', async () => {
    const work = new Promise<void>((resolve) => setTimeout(resolve, 20));
    expect(await settledWithin(Number.POSITIVE_INFINITY, work)).toBe(true);
  });
});

describe('untilAborted', () => {
  /** Counts up, and notes how it was ended. */
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

  it('hands on every value of a source, of a plain list too, and leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    const { seen, source } = counting(3);
    expect(await collect(untilAborted(source, signal))).toEqual([1, 2, 3]);
    // It ended by itself, so it is not told to.
    expect(seen).toEqual({ next: 4, returned: 0 });
    expect(await collect(untilAborted(['a', 'b'], signal))).toEqual(['a', 'b']);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('does not touch a source once the signal has fired', async () => {
    const { seen, source } = counting(3);
    await expect(collect(untilAborted(source, AbortSignal.abort(new Error('left'))))).rejects.toThrow('left');
    expect(seen).toEqual({ next: 0, returned: 0 });
  });

  it('ends between two values with the reason of the signal, and ends the source', async () => {
    const leaving = new AbortController();
    const { seen, source } = counting(3);
    const values = untilAborted(source, leaving.signal);
    expect(await values.next()).toEqual({ done: false, value: 1 });
    leaving.abort(new Error('left'));
    await expect(values.next()).rejects.toThrow('left');
    expect(seen).toEqual({ next: 1, returned: 1 });
    expect(getEventListeners(leaving.signal, 'abort')).toEqual([]);
  });

  it('ends while the next value is still to come, without waiting for a source that hangs', async () => {
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

  it('ends a source whose reader has enough, and waits until it has ended', async () => {
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
    // Some have nothing to end.
    const endless: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 7 }) }),
    };
    const values = untilAborted(endless, signal);
    await values.next();
    expect(await values.return()).toEqual({ done: true, value: undefined });
  });

  it('fails as its source fails, which is not ended then: it has ended', async () => {
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

  it('keeps the reason of the signal where the source fails to end', async () => {
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
