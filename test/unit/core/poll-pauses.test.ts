import { expect, it, vi } from 'vitest';
import { pollUntil } from '../../../src/lib/core/poll.js';

const pauses = vi.hoisted(() => [] as number[]);
vi.mock('node:timers/promises', async (original) => ({
  ...(await original<object>()),
  setTimeout: async (ms: number) => void pauses.push(ms),
}));

it('the pauses of a poll grow by half, up to their maximum', async () => {
  let looks = 0;
  const limits = { everyMs: 8, mostMs: 20, timeoutMs: 60_000 };
  await pollUntil(
    () => (++looks < 6 ? undefined : looks),
    limits,
    () => undefined,
  );
  expect(pauses).toEqual([8, 12, 18, 20, 20]);
});
