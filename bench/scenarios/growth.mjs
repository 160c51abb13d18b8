import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Lane } from '../lib/lanes.mjs';
import { INFER } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title = 'growth: many waiting jobs against few; drain rate and time of `infer inspect --json`';

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const few = sizeOf({ ...amount, jobs: undefined }, { usual: 10_000, perSecond: 500 });
  const many = amount.full ? 1_000_000 : sizeOf(amount, { usual: 200_000, perSecond: 5_000 });
  const drained = Math.floor(few * 0.8);
  /** @param {number} waiting */
  const side = async (waiting) => {
    const server = await place.redis();
    const lane = new Lane(place, server, 'growth', 'infer');
    await place.worker(server.url, ['-Q', 'growth']);
    await lane.fillOurs(Math.min(few, 2_000));
    await lane.timeTo(Math.min(few, 2_000), 0);
    await lane.hold();
    await lane.fillOurs(waiting);
    return { server, lane };
  };
  const sides = { few: await side(few), many: await side(many) };

  /** @type {Record<'few' | 'many', {rate: number[], inspect: number[]}>} */
  const seen = { few: { rate: [], inspect: [] }, many: { rate: [], inspect: [] } };
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    for (const name of /** @type {const} */ (['few', 'many'])) {
      const { server, lane } = sides[name];
      for (let i = 0; i < 3; i++) seen[name].inspect.push(await inspectMs(place, server.url));
      seen[name].rate.push(await lane.drainRate(drained));
      await lane.hold();
      // Adds only the missing jobs, so that each round starts from the same backlog.
      await lane.fillOurs((name === 'few' ? few : many) - (await lane.bull.count()));
    }
  }
  const against = `${few} waiting`;
  const what = (/** @type {string} */ thing) => `${thing} with ${many} waiting`;
  return {
    lines: [
      compare(
        { what: what('drain'), unit: 'jobs/s', against, target: '>= 0.8x' },
        seen.many.rate,
        seen.few.rate,
      ),
      compare(
        { what: what('inspect'), unit: 'ms', against, target: '<= 2x' },
        seen.many.inspect,
        seen.few.inspect,
      ),
    ],
    size: `${drained} jobs worked off a round`,
  };
}

/** @param {import('../lib/place.mjs').Place} place @param {string} url */
async function inspectMs(place, url) {
  const started = performance.now();
  const child = spawn(process.execPath, [INFER, 'inspect', '--json', '--redis', url], {
    cwd: place.dir,
    stdio: 'ignore',
  });
  await once(child, 'exit');
  return performance.now() - started;
}
