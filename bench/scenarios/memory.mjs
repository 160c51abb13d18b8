import { setTimeout as delay } from 'node:timers/promises';
import { digitChunks } from '../lib/digits.mjs';
import { Lane } from '../lib/lanes.mjs';
import { childrenOf, memoryOf } from '../lib/place.mjs';
import { sizeOf } from '../lib/sizes.mjs';

export const title = 'memory: resident bytes of a worker with digits loaded, main and runner; MB';

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const jobs = sizeOf(amount, { usual: 20_000, perSecond: 1_000 });
  const server = await place.redis();
  const { client } = server;
  const lane = new Lane(place, server, 'memory', 'infer');
  const { pid } = await place.worker(server.url, ['-Q', 'memory']);
  const resident = () => {
    const [main, runner] = [pid, ...childrenOf(pid)].map((one) => memoryOf(one, 'VmRSS') / 1e6);
    return { main: main ?? Number.NaN, runner: runner ?? Number.NaN };
  };
  await delay(amount.seconds === undefined ? 3_000 : 200);
  const idle = resident();
  await lane.fillOurs(jobs);
  await lane.timeTo(jobs, 0);
  const signature = await client.signatures.find('digits');
  const chunks = digitChunks(jobs * 10);
  await client.waitGroup(
    (await client.submitMany(chunks, signature, { model: 'digits', queue: 'memory' })).group,
  );
  await delay(amount.seconds === undefined ? 3_000 : 200);
  const after = resident();
  const line = (/** @type {string} */ what, /** @type {typeof idle} */ { main, runner }) => [
    { what, ours: main + runner, unit: 'MB', target: '<= 200' },
    { what: '  main', ours: main, unit: 'MB' },
    { what: '  runner', ours: runner, unit: 'MB' },
  ];
  return {
    lines: [...line('ready, idle', idle), ...line(`after load`, after)],
    size: `load: ${jobs} single-row jobs and ${jobs * 10} bulk rows`,
  };
}
