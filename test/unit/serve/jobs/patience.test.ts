import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InferError } from '../../../../src/lib/core/errors.js';
import type { Gateway } from '../../../../src/lib/serve/gateway/gateway.js';
import { patiently } from '../../../../src/lib/serve/gateway/jobs/patience.js';

const gateway = { client: { redis: { status: 'ready' } } } as unknown as Gateway;
const unhandled = vi.fn();

beforeEach(() => void process.on('unhandledRejection', unhandled));
afterEach(() => {
  process.off('unhandledRejection', unhandled);
  unhandled.mockReset();
});

describe('waiting for work that is under way', () => {
  it('handles the failure of the work also for a caller that left before', async () => {
    const left = AbortSignal.abort(new InferError('HTTP_LEFT', 'the caller has left'));
    const work = Promise.reject(new InferError('MODEL_UNKNOWN', 'there is no model nope'));
    await expect(patiently(gateway, left, work)).rejects.toMatchObject({ code: 'HTTP_LEFT' });
    // Node tells of a rejection at the end of a turn.
    await nextTurn();
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('gives the result of the work, or its error', async () => {
    const { signal } = new AbortController();
    expect(await patiently(gateway, signal, Promise.resolve(7))).toBe(7);
    await expect(patiently(gateway, signal, Promise.reject(new Error('bad')))).rejects.toThrow('bad');
  });

  it('gives up when both limits are over', async () => {
    vi.useFakeTimers();
    try {
      const late = patiently(gateway, new AbortController().signal, new Promise(() => undefined), 10_000);
      const told = expect(late).rejects.toMatchObject({ code: 'HTTP_LATE' });
      await vi.advanceTimersByTimeAsync(10_000);
      await told;
    } finally {
      vi.useRealTimers();
    }
  });
});
