import { afterEach, describe, expect, it, vi } from 'vitest';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { QueueLoads } from '../../../src/lib/serve/gateway/queue-load.js';

/** Queues of so many jobs; an answer takes a turn. */
function queueOf(jobs: { count: number; looks?: number }): QueueLoads {
  const client = {
    llen: async () => 0,
    zcard: async () => {
      jobs.looks = (jobs.looks ?? 0) + 1;
      await new Promise(setImmediate);
      return jobs.count;
    },
  };
  return new QueueLoads(client as unknown as RedisClient, 'infer');
}

/** How many of so many callers got a place. */
const taken = async (loads: QueueLoads, asked: number, most: number) => {
  const places = await Promise.all(Array.from({ length: asked }, () => loads.takePlace('q', most)));
  return places.filter((place) => place !== undefined);
};

afterEach(() => vi.restoreAllMocks());

function clock(): { now: number } {
  const time = { now: 0 };
  vi.spyOn(performance, 'now').mockImplementation(() => time.now);
  return time;
}

describe('places for waiting jobs', () => {
  it('are as many as are free, also for callers who wait for the same look', async () => {
    clock();
    const jobs = { count: 3, looks: 0 };
    expect(await taken(queueOf(jobs), 1000, 10)).toHaveLength(7);
    expect(jobs.looks).toBe(1);
  });

  it('are none when more wait already', async () => {
    expect(await taken(queueOf({ count: 11 }), 10, 10)).toHaveLength(0);
  });

  it('stay taken for jobs that are not in Redis yet, however slow this process is', async () => {
    const time = clock();
    const jobs = { count: 0, looks: 0 };
    const loads = queueOf(jobs);
    const [first, ...others] = await taken(loads, 10, 5);
    expect(others).toHaveLength(4);
    time.now = 5000;
    expect(await taken(loads, 10, 5)).toHaveLength(0);
    // One was given up.
    first?.();
    time.now = 6000;
    expect(await taken(loads, 10, 5)).toHaveLength(1);
    // No one says what became of the others.
    time.now = 16_000;
    expect(await taken(loads, 10, 5)).toHaveLength(4);
  });

  it('are counted again when only what was let in fills them: it may have started', async () => {
    const time = clock();
    const jobs = { count: 0, looks: 0 };
    const loads = queueOf(jobs);
    const submitted = async (asked: number) => {
      const places = await taken(loads, asked, 5);
      for (const place of places) place();
      return places.length;
    };
    expect(await submitted(10)).toBe(5);
    time.now = 9;
    expect(await submitted(10)).toBe(0);
    time.now = 10;
    jobs.count = 2;
    expect(await submitted(10)).toBe(3);
    expect(jobs.looks).toBe(2);
    time.now = 19;
    jobs.count = 5;
    expect(await submitted(10)).toBe(0);
    time.now = 20;
    expect(await submitted(10)).toBe(0);
    // What waits in Redis is not looked at again as often.
    time.now = 60;
    jobs.count = 0;
    expect(await submitted(10)).toBe(0);
    expect(jobs.looks).toBe(3);
    time.now = 120;
    expect(await submitted(10)).toBe(5);
  });
});
