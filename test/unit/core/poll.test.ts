import { expect, it } from 'vitest';
import { pollUntil } from '../../../src/lib/core/poll.js';

const late = () => {
  throw new Error('late');
};
const often = { everyMs: 1, timeoutMs: 60_000 };

it('a poll resolves to the first value seen', async () => {
  let looks = 0;
  expect(await pollUntil(async () => (++looks < 3 ? undefined : looks), often, late)).toBe(3);
});

it("a poll that sees nothing in time fails with its caller's error", async () => {
  await expect(pollUntil(async () => undefined, { everyMs: 1, timeoutMs: 5 }, late)).rejects.toThrow('late');
});

it('a poll without time checks once, and its caller may have an answer for a timeout', async () => {
  let looks = 0;
  const look = () => {
    looks += 1;
    return undefined;
  };
  expect(await pollUntil(look, { everyMs: 600_000, timeoutMs: 0 }, () => 'not yet')).toBe('not yet');
  expect(looks).toBe(1);
});

it('a poll makes its last check when the time is over, however long its pauses', async () => {
  let looks = 0;
  expect(
    await pollUntil(() => (++looks < 2 ? undefined : looks), { everyMs: 600_000, timeoutMs: 5 }, late),
  ).toBe(2);
});

it('a poll fails at once when what it waits for has failed', async () => {
  const failed = Promise.reject(new Error('it died'));
  const slow = { everyMs: 600_000, timeoutMs: 600_000, failed };
  await expect(pollUntil(async () => undefined, slow, late)).rejects.toThrow('it died');
});

it('a poll ends at once with the reason when it is aborted', async () => {
  const giveUp = new AbortController();
  const slow = { everyMs: 600_000, timeoutMs: 600_000, signal: giveUp.signal };
  const polled = expect(pollUntil(async () => undefined, slow, late)).rejects.toThrow('Ctrl-C aborts');
  giveUp.abort(new Error('Ctrl-C aborts'));
  await polled;
});

it('an error thrown by a check ends the poll', async () => {
  const look = () => Promise.reject(new Error('Redis is away'));
  await expect(pollUntil(look, often, late)).rejects.toThrow('Redis is away');
});
