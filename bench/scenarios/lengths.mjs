import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { INFER } from '../lib/place.mjs';
import { writePoolModel } from '../lib/pool-model.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title = 'lengths: rows of random length in one file, against the same rows sorted by length';

/** As many lengths as sentences of a text model have tokens. */
const MOST_LENGTH = 102;

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const rows = sizeOf(amount, { usual: 20_000, perSecond: 1000 });
  const server = await place.redis();
  const { client } = server;
  const models = join(place.dir, 'models');
  writePoolModel(models, 'lengths', [1, 'length', 1]);
  await place.worker(server.url, ['-Q', 'lengths', '--models', models]);
  const lengths = randomLengths(rows);
  const mixed = fileOf(place, 'mixed', lengths);
  const sorted = fileOf(
    place,
    'sorted',
    [...lengths].sort((a, b) => a - b),
  );
  /** Seconds from the start of the command to the last result, and chunk jobs. @param {string} file */
  const submit = async (file) => {
    const started = performance.now();
    const args = [INFER, 'submit', file, '-m', 'lengths', '-Q', 'lengths', '--json', '--redis', server.url];
    const child = place.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    await once(child, 'close');
    const { group, jobs } = JSON.parse(text);
    await client.waitGroup(group);
    return { jobs, seconds: (performance.now() - started) / 1000 };
  };
  await submit(sorted);
  /** @type {{jobs: number, seconds: number}[]} */
  const [ours, alike] = [[], []];
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    ours.push(await submit(mixed));
    alike.push(await submit(sorted));
  }
  const against = 'sorted by length';
  const of = (/** @type {'jobs' | 'seconds'} */ name) =>
    /** @type {const} */ ([ours.map((one) => one[name]), alike.map((one) => one[name])]);
  return {
    lines: [
      compare({ what: 'chunk jobs', unit: 'jobs', against }, ...of('jobs')),
      compare({ what: 'start of submit to last result', unit: 's', against }, ...of('seconds')),
    ],
    size: `${rows} rows of 1 to ${MOST_LENGTH}`,
  };
}

/** The same every time. @param {number} count */
function randomLengths(count) {
  let state = 1;
  return Array.from({ length: count }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return 1 + (state % MOST_LENGTH);
  });
}

/** @param {import('../lib/place.mjs').Place} place @param {string} name @param {number[]} lengths */
function fileOf(place, name, lengths) {
  const file = join(place.dir, `${name}.ndjson`);
  const lines = lengths.map((length) => JSON.stringify([Array.from({ length }, (_, at) => [at % 7])]));
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
