import { QueueEvents } from 'bullmq';
import { digitRow } from '../lib/digits.mjs';
import { Lane } from '../lib/lanes.mjs';
import { DIGITS } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare, percentile } from '../lib/stats.mjs';

export const title = 'latency: submit to result in one client process, one at a time, idle; ms';

const NAIVE = new URL('../baselines/naive-worker.mjs', import.meta.url);

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const calls = sizeOf(amount, { usual: 500, perSecond: 100 });
  const server = await place.redis();
  const { client } = server;
  await place.worker(server.url, ['-Q', 'realtime']);
  const lane = new Lane(place, server, 'naive', 'naive');
  const setup = { socket: server.socket, queue: 'naive', model: DIGITS, concurrency: 1 };
  await place.baseline(NAIVE, setup);
  const events = new QueueEvents('naive', { connection: { path: server.socket } });
  place.closers.push(() => events.close());
  await events.waitUntilReady();

  const ours = (/** @type {number} */ i) => client.run(digitRow(i), { model: 'digits', queue: 'realtime' });
  const naive = async (/** @type {number} */ i) => {
    const job = await lane.bull.add('row', { pixels: digitRow(i) }, { priority: 10 });
    await job.waitUntilFinished(events);
  };
  /** @param {(i: number) => Promise<unknown>} call @param {number} n */
  const time = async (call, n) => {
    const times = [];
    for (let i = 0; i < n; i++) {
      const started = performance.now();
      await call(i);
      times.push(performance.now() - started);
    }
    return times;
  };
  for (const call of [ours, naive]) await time(call, Math.min(calls, 200));
  const rounds = [];
  for (let round = 0; round < roundsOf(amount); round++) {
    rounds.push({ ours: await time(ours, calls), naive: await time(naive, calls) });
  }
  return {
    lines: [50, 90, 99].map((p) =>
      compare(
        { what: `p${p}`, unit: 'ms', against: 'naive BullMQ', ...(p === 90 ? {} : { target: '<= 0.9x' }) },
        rounds.map((round) => percentile(round.ours, p)),
        rounds.map((round) => percentile(round.naive, p)),
      ),
    ),
    size: `${calls} calls a side and round`,
  };
}
