import { expect, it, vi } from 'vitest';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { KnownQueues } from '../../../src/lib/serve/gateway/known-queues.js';

it('lets callers make queues by naming them up to a number, and use those that there are', async () => {
  const hkeys = vi.fn(async () => ['a', 'b']);
  const queues = new KnownQueues({ hkeys } as unknown as RedisClient, 'infer', 3);
  expect(queues.knows('a')).toBe(false);
  await queues.refuseNew('a');
  await queues.refuseNew('new');
  await expect(queues.refuseNew('another')).rejects.toMatchObject({ code: 'QUEUES_FULL' });
  for (const there of ['a', 'b', 'new']) {
    await queues.refuseNew(there);
    expect(queues.knows(there)).toBe(true);
  }
  // One look a second, however many names are made up.
  for (let i = 0; i < 100; i++) await queues.refuseNew(`made-up-${i}`).catch(() => undefined);
  expect(hkeys).toHaveBeenCalledTimes(1);
});
