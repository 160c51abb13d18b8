import { expect, it } from 'vitest';
import { etaWithOneMore } from '../../../src/lib/deployment/live/one-more.js';
import { takeTurns } from '../../../src/lib/deployment/live/rotation.js';
import { PastBuckets } from '../../../src/lib/queue/past-buckets.js';
import type { QueueSnapshot } from '../../../src/lib/queue/read/inspector.js';
import { ActionRate } from '../../../src/lib/serve/dashboard/actions/rate.js';

it('allows 20 actions at once, and then one a second, to each token by itself', () => {
  let now = 0;
  const rate = new ActionRate(() => now);
  for (let i = 0; i < 20; i++) rate.take('ops');
  expect(() => rate.take('ops')).toThrow(expect.objectContaining({ code: 'ACTION_LIMIT' }));
  rate.take('other');
  now = 1000;
  rate.take('ops');
  expect(() => rate.take('ops')).toThrow(expect.objectContaining({ headers: { 'retry-after': '1' } }));
});

it('reads new things at once, then those whose turn it is, the busy ones more often', () => {
  const turn = (key: string, readAt: number | undefined, weight = 1) => ({ key, readAt, weight, cost: 1 });
  const limits = { budget: 2, first: 10 };
  expect(takeTurns([turn('a', 5), turn('b', undefined)], 100, limits)).toEqual(['b']);
  expect(takeTurns([turn('a', 50), turn('b', 60), turn('c', 80, 4)], 100, limits)).toEqual(['c', 'a']);
  const dear = [{ ...turn('a', 10), cost: 5 }, turn('b', 20)];
  expect(takeTurns(dear, 100, limits)).toEqual(['a']);
});

it('reads a bucket that is over once, and open ones each time', async () => {
  const past = new PastBuckets<number>();
  const read: number[] = [];
  const fetch = async (bucket: number) => {
    read.push(bucket);
    return bucket;
  };
  // Four seconds after its end a bucket is over.
  expect(await past.last(105_000, 4, fetch)).toEqual([10, 9, 8, 7]);
  expect(await past.last(106_000, 4, fetch)).toEqual([10, 9, 8, 7]);
  expect(await past.last(112_000, 4, fetch)).toEqual([11, 10, 9, 8]);
  expect(read).toEqual([10, 9, 8, 7, 10, 11, 10]);
});

it('tells when a queue drains with one more worker', () => {
  const queue = (more: Partial<QueueSnapshot>) =>
    ({ waiting: 100, ratePerSecond: 10, arrivalsPerSecond: 0, etaMs: 10_000, ...more }) as QueueSnapshot;
  expect(etaWithOneMore(queue({}), 1)).toBe(5000);
  expect(etaWithOneMore(queue({}), 4)).toBe(8000);
  // More arrive than two can do; fewer than two can do.
  expect(etaWithOneMore(queue({ arrivalsPerSecond: 25, etaMs: null }), 1)).toBeNull();
  expect(etaWithOneMore(queue({ arrivalsPerSecond: 15, etaMs: null }), 1)).toBe(20_000);
  expect(etaWithOneMore(queue({ ratePerSecond: null, etaMs: null }), 1)).toBeNull();
  expect(etaWithOneMore(queue({}), 0)).toBeNull();
});
