import { QueueEvents } from 'bullmq';
import { digitRow } from '../lib/digits.mjs';
import { Lane } from '../lib/lanes.mjs';
import { DIGITS } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title = 'concurrent: many calls at once in one client process, submit to result; calls a second';

const NAIVE = new URL('../baselines/naive-worker.mjs', import.meta.url);
const AT_ONCE = 256;

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const calls = sizeOf(amount, { usual: 10_000, perSecond: 1_000 });
  const server = await place.redis();
  const { client } = server;
  await place.worker(server.url, ['-Q', 'realtime']);
  const lane = new Lane(place, server, 'naive', 'naive');
  await place.baseline(NAIVE, { socket: server.socket, queue: 'naive', model: DIGITS, concurrency: 32 });
  const events = new QueueEvents('naive', { connection: { path: server.socket } });
  place.closers.push(() => events.close());
  await events.waitUntilReady();
  // Each call in flight adds a listener.
  events.setMaxListeners(0);
  lane.bull.setMaxListeners(0);

  const ours = (/** @type {number} */ i) => client.run(digitRow(i), { model: 'digits', queue: 'realtime' });
  const naive = async (/** @type {number} */ i) => {
    const job = await lane.bull.add('row', { pixels: digitRow(i) }, { priority: 10 });
    await job.waitUntilFinished(events);
  };
  /** @param {(i: number) => Promise<unknown>} call @param {number} n */
  const rate = async (call, n) => {
    let next = 0;
    const started = performance.now();
    const one = async () => {
      while (next < n) await call(next++);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    return (n / (performance.now() - started)) * 1000;
  };
  for (const call of [ours, naive]) await rate(call, Math.min(calls, 1_000));
  /** @type {number[]} */
  const mine = [];
  /** @type {number[]} */
  const theirs = [];
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    mine.push(await rate(ours, calls));
    theirs.push(await rate(naive, calls));
  }
  const line = { what: `${AT_ONCE} calls at once`, unit: 'calls/s', against: 'naive BullMQ c=32' };
  return { lines: [compare(line, mine, theirs)], size: `${calls} calls a side and round` };
}
