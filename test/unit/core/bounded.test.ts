import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { answerWithin, bounded, settledWithin } from '../../../src/lib/core/bounded.js';

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
