import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Call } from '../../../src/lib/client/limited.js';
import { type Awaited, submitAndWait } from '../../../src/lib/client/submit-and-wait.js';
import type { SubmittedJob } from '../../../src/lib/client/types.js';
import { InferError } from '../../../src/lib/core/errors.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const SUBMIT_MS = 10_000;

/** A client whose submit takes ten seconds, and whose jobs never end. */
function client() {
  const cancelled: string[] = [];
  const submitted: SubmittedJob[] = [];
  const parts = {
    waiter: {
      next: () => new Promise(() => undefined),
      listFor: () => 'list',
      forget: () => undefined,
    },
    answers: {
      // A last look at a job that has not ended.
      wait: async () => {
        throw new InferError('WAIT_TIMEOUT', 'it has not ended');
      },
    },
    producer: {
      cancel: async (_queue: string, id: string) => {
        cancelled.push(id);
        return 'cancelled';
      },
    },
    add: async (_job: unknown, _call: Call, { id }: { id: string }) => {
      await new Promise((resolve) => setTimeout(resolve, SUBMIT_MS));
      return { id };
    },
  } as unknown as Parameters<typeof submitAndWait>[0];
  const run = (call: Call, options: Awaited<unknown>['options']) => {
    const payload = { rows: 1, tensors: [] };
    const job = { payload, options, onSubmitted: (one: SubmittedJob) => submitted.push(one) };
    const running = submitAndWait(parts, job as unknown as Awaited<unknown>, call);
    running.catch(() => undefined);
    return running;
  };
  return { run, cancelled, submitted };
}

it('cancels a job that was queued after its caller had left, or had been told that it took too long', async () => {
  const { run, cancelled, submitted } = client();
  const left = new AbortController();
  const running = run(new Call(left.signal), { id: 'a', cancelOnAbort: true, signal: left.signal });
  await vi.advanceTimersByTimeAsync(SUBMIT_MS / 2);
  left.abort(new Error('left'));
  expect(cancelled).toEqual([]);
  await vi.advanceTimersByTimeAsync(SUBMIT_MS);
  await expect(running).rejects.toThrow('left');
  expect(cancelled).toEqual(['a']);
  expect(submitted).toEqual([]);
});

it('leaves one alone that its caller can come back for', async () => {
  const { run, cancelled } = client();
  const left = new AbortController();
  const running = run(new Call(left.signal), { id: 'a', cancelOnAbort: false, signal: left.signal });
  left.abort(new Error('left'));
  await vi.advanceTimersByTimeAsync(SUBMIT_MS);
  await expect(running).rejects.toThrow('left');
  expect(cancelled).toEqual([]);
});

it('begins the time of a wait when the job has been queued', async () => {
  const { run, submitted } = client();
  let ended = '';
  const running = run(new Call(new AbortController().signal), { id: 'a', timeoutMs: 1000, submitMs: 15_000 });
  running.catch((error: { code: string }) => {
    ended = error.code;
  });
  await vi.advanceTimersByTimeAsync(SUBMIT_MS);
  expect(submitted).toMatchObject([{ id: 'a' }]);
  await vi.advanceTimersByTimeAsync(900);
  expect(ended).toBe('');
  await vi.advanceTimersByTimeAsync(200);
  expect(ended).toBe('WAIT_TIMEOUT');
});
