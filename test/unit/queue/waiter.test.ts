import { afterEach, expect, it } from 'vitest';
import { Waiter } from '../../../src/lib/queue/broker/waiter.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { until } from '../../support/cli.js';

const waiters: Waiter[] = [];
afterEach(async () => {
  await Promise.all(waiters.splice(0).map((waiter) => waiter.close()));
});

/** A connection on which no notice ever comes; each read ends after a moment. */
function connection(): { client: RedisClient; reads: () => number; closed: () => boolean } {
  let [reads, closed] = [0, false];
  const client = {
    status: 'end',
    blpopBuffer: async () => {
      reads += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
      return null;
    },
    lpopBuffer: async () => null,
    disconnect: () => {
      closed = true;
    },
    once: () => undefined,
  };
  return { client: client as unknown as RedisClient, reads: () => reads, closed: () => closed };
}

function waiterWith(idleMs: number) {
  const opened: ReturnType<typeof connection>[] = [];
  const open = async () => {
    const one = connection();
    opened.push(one);
    return one.client;
  };
  const waiter = new Waiter('client', 'infer', open, () => undefined, idleMs);
  waiters.push(waiter);
  return { waiter, opened };
}

it('closes the connection of a queue without waits, and opens another for the next', async () => {
  const { waiter, opened } = waiterWith(20);
  for (let i = 0; i < 5; i++) await waiter.next(`queue-${i}`, `job-${i}`);
  expect(opened).toHaveLength(5);
  await until(async () => waiter.listening === 0 && opened.every(({ closed }) => closed()));
  expect(await waiter.next('queue-0', 'job-0')).toBeUndefined();
  expect(opened).toHaveLength(6);
});

it('reads nothing in a queue without waits, however many there are in others', async () => {
  const { waiter, opened } = waiterWith(60_000);
  await waiter.next('quiet', 'a');
  // Its loop has come to rest when its reads no longer grow with those of another.
  for (let i = 0; i < 3; i++) await waiter.next('busy', 'b');
  const [quiet, busy] = opened;
  const [before, already] = [quiet?.reads() ?? 0, busy?.reads() ?? 0];
  for (let i = 0; i < 20; i++) await waiter.next('busy', 'b');
  expect(quiet?.reads()).toBe(before);
  expect(busy?.reads()).toBeGreaterThan(already + 10);
  expect(waiter.listening).toBe(2);
});
