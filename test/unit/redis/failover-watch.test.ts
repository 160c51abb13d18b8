import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FailoverWatch, newsOf } from '../../../src/lib/redis/failover-watch.js';

const LEADER = { host: '10.0.0.2', port: 6380 };
const SLAVE = 'slave 10.0.0.2:6380 10.0.0.2 6380 @ main 10.0.0.1 6379';

it.each([
  ['+failover-state-send-slaveof-noone', SLAVE, { what: 'begins' }],
  ['+promoted-slave', SLAVE, { what: 'over', leader: LEADER }],
  ['+switch-master', 'main 10.0.0.1 6379 10.0.0.2 6380', { what: 'over', leader: LEADER }],
  ['-failover-abort-slave-timeout', 'master main 10.0.0.1 6379', { what: 'aborted' }],
  ['-failover-abort-no-good-slave', 'master main 10.0.0.1 6379', { what: 'aborted' }],
  ['+failover-state-send-slaveof-noone', SLAVE.replace('@ main', '@ other'), undefined],
  ['+promoted-slave', SLAVE.replace('@ main', '@ other'), undefined],
  ['+switch-master', 'other 10.0.0.1 6379 10.0.0.2 6380', undefined],
  ['-failover-abort-slave-timeout', 'master other 10.0.0.1 6379', undefined],
  ['+sdown', 'master main 10.0.0.1 6379', undefined],
  ['+promoted-slave', '', undefined],
])('Sentinel message %s %s is interpreted', (channel, message, news) => {
  expect(newsOf(channel, message, 'main')).toEqual(news);
});

let watch: FailoverWatch;
let left: number;
beforeEach(() => {
  vi.useFakeTimers();
  left = 0;
  watch = new FailoverWatch({ master: 'main', endpoints: [], options: {} });
  watch.follow(() => {
    left += 1;
  });
});
afterEach(() => {
  watch.close();
  vi.useRealTimers();
});

/** Whether connections may be opened now. */
async function isFree(): Promise<boolean> {
  return Promise.race([watch.settled().then(() => true), vi.advanceTimersByTimeAsync(0).then(() => false)]);
}

it('connections are dropped when a replica is chosen for promotion, and reopened once it leads', async () => {
  expect(await isFree()).toBe(true);
  watch.hear({ what: 'begins' });
  expect([left, await isFree(), watch.leader]).toEqual([1, false, undefined]);
  watch.hear({ what: 'over', leader: LEADER });
  expect([left, await isFree(), watch.leader]).toEqual([2, true, LEADER]);
  // Each sentinel repeats it when it learns of it.
  watch.hear({ what: 'over', leader: LEADER });
  expect([left, watch.turns]).toEqual([2, 2]);
});

it('the master is asked for again when the last answer is old', async () => {
  watch.hear({ what: 'over', leader: LEADER });
  await vi.advanceTimersByTimeAsync(14_000);
  expect(watch.leader).toEqual(LEADER);
  await vi.advanceTimersByTimeAsync(1001);
  expect(watch.leader).toBeUndefined();
});

it.each([
  ['is given up', () => watch.hear({ what: 'aborted' })],
  ['comes to no end', () => vi.advanceTimersByTime(5000)],
  ['is left by the last client', () => watch.close()],
])('a failover that %s pauses nothing', async (_, end) => {
  watch.hear({ what: 'begins' });
  await vi.advanceTimersByTimeAsync(4900);
  expect(await isFree()).toBe(false);
  end();
  expect([left, await isFree(), watch.leader]).toEqual([1, true, undefined]);
});

it('a follower that unsubscribed is no longer notified', () => {
  let told = 0;
  const end = watch.follow(() => {
    told += 1;
  });
  end();
  watch.hear({ what: 'begins' });
  expect(told).toBe(0);
});
