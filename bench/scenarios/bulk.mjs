import { digitChunks } from '../lib/digits.mjs';
import { Lane } from '../lib/lanes.mjs';
import { DIGITS } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title = 'bulk: one group of digits rows; rows a second';

const DIRECT = new URL('../baselines/direct.mjs', import.meta.url);

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const rows = sizeOf(amount, { usual: 200_000, perSecond: 10_000 });
  const seconds = Math.min(3, amount.seconds ?? 3);
  const server = await place.redis();
  const { client } = server;
  const lane = new Lane(place, server, 'bulk', 'infer');
  await place.worker(server.url, ['-Q', 'bulk']);
  const sizes = [1, 8, 32, 64, 128, 256, 512];
  const direct = await place.baseline(DIRECT, { model: DIGITS, input: 'pixels', shape: [64], sizes });
  const signature = await client.signatures.find('digits');
  const submit = (/** @type {number} */ n) =>
    client.submitMany(digitChunks(n), signature, { model: 'digits', queue: 'bulk' });

  /** All queued first, then processed. */
  const queued = async () => {
    await lane.hold();
    const { group, jobs } = await submit(rows);
    const before = await lane.ended();
    const started = performance.now();
    await lane.open();
    await lane.timeTo(jobs, before);
    const ms = performance.now() - started;
    await client.waitGroup(group);
    return (rows / ms) * 1000;
  };
  /** From the first row passed to the client to the last result, including the submit. */
  const endToEnd = async () => {
    const started = performance.now();
    const { group } = await submit(rows);
    await client.waitGroup(group);
    return (rows / (performance.now() - started)) * 1000;
  };

  await lane.open();
  await client.waitGroup((await submit(Math.min(rows, 50_000))).group);
  /** @type {number[][]} */
  const [worked, whole, best, bestSize] = [[], [], [], []];
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    worked?.push(await queued());
    const rates = Object.entries(await direct.ask({ seconds }));
    const [size, rate] = /** @type {[string, number]} */ (rates.sort((a, b) => b[1] - a[1])[0]);
    best?.push(rate);
    bestSize?.push(Number(size));
    whole?.push(await endToEnd());
  }
  const against = `direct, batches of ${bestSize?.join('/')}`;
  return {
    lines: [
      compare(
        { what: 'queued to last result', unit: 'rows/s', against, target: '>= 0.50x' },
        worked ?? [],
        best ?? [],
      ),
      compare({ what: 'submitting included', unit: 'rows/s', against }, whole ?? [], best ?? []),
    ],
    size: `${rows} rows`,
  };
}
