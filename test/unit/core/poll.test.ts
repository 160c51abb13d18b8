import { expect, it } from 'vitest';
import { pollUntil } from '../../../src/lib/core/poll.js';

const late = () => new Error('late');
const often = { everyMs: 1, timeoutMs: 60_000 };

it('a poll resolves to the first value seen', async () => {
  let looks = 0;
  expect(await pollUntil(async () => (++looks < 3 ? undefined : looks), often, late)).toBe(3);
});

it("a poll that sees nothing in time fails with its caller's error", async () => {
  await expect(pollUntil(async () => undefined, { everyMs: 1, timeoutMs: 5 }, late)).rejects.toThrow('late');
});

it('a poll fails at once when what it waits for has failed', async () => {
  const failed = Promise.reject(new Error('it died'));
  const slow = { everyMs: 600_000, timeoutMs: 600_000, failed };
  await expect(pollUntil(async () => undefined, slow, late)).rejects.toThrow('it died');
});

it('a poll ends at once when it is aborted', async () => {
  const giveUp = new AbortController();
  const slow = { everyMs: 600_000, timeoutMs: 600_000, signal: giveUp.signal };
  const polled = expect(pollUntil(async () => undefined, slow, late)).rejects.toThrow(/abort/i);
  giveUp.abort();
  await polled;
});

it('an error thrown by a check ends the poll', async () => {
  const look = () => Promise.reject(new Error('Redis is away'));
  await expect(pollUntil(look, often, late)).rejects.toThrow('Redis is away');
});
