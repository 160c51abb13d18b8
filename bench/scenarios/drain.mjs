import { Lane } from '../lib/lanes.mjs';
import { DIGITS } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title = 'drain: single-row digits jobs with priorities 0 to 9, waiting; jobs a second';

const NAIVE = new URL('../baselines/naive-worker.mjs', import.meta.url);

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const jobs = sizeOf(amount, { usual: 20_000, perSecond: 500 });
  const server = await place.redis();
  const ours = new Lane(place, server, 'drain', 'infer');
  const fill = (/** @type {number} */ resultTtl) => (/** @type {number} */ n) =>
    ours.fillOurs(n, { resultTtl });
  await place.worker(server.url, ['-Q', 'drain']);
  const sides = [
    { name: 'kept', lane: ours, fill: fill(3600) },
    { name: 'none', lane: ours, fill: fill(0) },
  ];
  for (const concurrency of [1, 32]) {
    const lane = new Lane(place, server, `naive-${concurrency}`, 'naive');
    await place.baseline(NAIVE, {
      socket: server.socket,
      queue: lane.name,
      model: DIGITS,
      concurrency,
    });
    sides.push({ name: `c=${concurrency}`, lane, fill: (n) => lane.fillNaive(n) });
  }

  /** @type {Record<string, number[]>} */
  const rates = {};
  /** @param {(typeof sides)[number]} side @param {number} n */
  const measure = async ({ lane, fill }, n) => {
    await lane.hold();
    await fill(n);
    return lane.drainRate(n);
  };
  // Compiled code, a learned batch size and a warm Redis on every side before measuring starts.
  for (const side of sides) await measure(side, Math.min(jobs, 3_000));
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    for (const side of sides) {
      rates[side.name] = [...(rates[side.name] ?? []), await measure(side, jobs)];
    }
  }
  const words = (/** @type {string} */ what, /** @type {string} */ side, target = {}) => ({
    what,
    unit: 'jobs/s',
    against: `naive BullMQ ${side}`,
    ...target,
  });
  const all = (/** @type {string} */ name) => rates[name] ?? [];
  return {
    lines: [
      compare(words('with results', 'c=1'), all('kept'), all('c=1')),
      compare(words('with results', 'c=32', { target: '>= 1.0x, aim 1.3x' }), all('kept'), all('c=32')),
      compare(words('fire and forget', 'c=32'), all('none'), all('c=32')),
    ],
    size: `${jobs} jobs`,
  };
}
