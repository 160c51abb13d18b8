import { once } from 'node:events';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { floatsText } from '../../dist/lib/model/float-text.js';
import { INFER, memoryOf } from '../lib/place.mjs';
import { writeSoftmaxModel } from '../lib/pool-model.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title = 'results: large results as text and as files';

/** A text recogniser's scores: 40 places, 6,625 characters. */
const SHAPE = [40, 6625];
const FLOATS = 265_000;
const LOOK_MS = 20;

/** @type {Record<string, () => number>} */
const KINDS = {
  'numbers of 0 to 1': () => Math.random(),
  'after a softmax, 1e-11 to 0.01': () => Math.exp(-20 * Math.random()) / 100,
  'numbers of -4 to 4': () => (Math.random() - 0.5) * 8,
};

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const rows = sizeOf(amount, { usual: 40, perSecond: 8 });
  const lines = Object.entries(KINDS).map(([what, kind]) => textLine(what, kind, roundsOf(amount, 15)));
  return {
    lines: [...lines, ...(await groupLines(place, rows))],
    size: `${FLOATS} numbers a round; a group of ${rows} rows`,
  };
}

/** @param {string} what @param {() => number} kind @param {number} rounds */
function textLine(what, kind, rounds) {
  const values = Float32Array.from({ length: FLOATS }, kind);
  const ways = { ours: () => floatsText(values), naive: () => JSON.stringify(Array.from(values, shortest)) };
  /** @type {Record<keyof typeof ways, number[]>} */
  const ns = { ours: [], naive: [] };
  for (let round = 0; round <= rounds; round++) {
    for (const way of /** @type {const} */ (['ours', 'naive'])) {
      const started = performance.now();
      ways[way]();
      // The first of each is compiled while it runs.
      if (round > 0) ns[way].push(((performance.now() - started) * 1e6) / FLOATS);
    }
  }
  const words = { what, unit: 'ns', against: 'toPrecision', target: '<= 0.33x' };
  return compare(words, ns.ours, ns.naive);
}

/** The shortest digits by trying: 7, 8 or 9. @param {number} value */
function shortest(value) {
  for (const digits of [7, 8]) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

/** @param {import('../lib/place.mjs').Place} place @param {number} rows */
async function groupLines(place, rows) {
  const server = await place.redis();
  const models = join(place.dir, 'result-models');
  writeSoftmaxModel(models, 'recogniser', SHAPE);
  await place.worker(server.url, ['-Q', 'results', '--models', models]);
  const { client } = server;
  const options = { model: 'recogniser', queue: 'results' };
  const inputs = Array.from({ length: rows }, (_, row) =>
    Float32Array.from({ length: FLOATS }, (_, i) => Math.sin(i * (row + 1)) * 12),
  );
  const { group } = await client.submitRows(inputs, options);
  await client.waitGroup(group);
  const file = join(place.dir, 'out.ndjson');
  const { seconds, peak } = await fetch(place, server.url, [group, '--output', file]);
  const megabytes = statSync(file).size / 1e6;
  rmSync(file);
  const what = `infer result, ${rows} rows, to NDJSON`;
  return [
    { what, ours: seconds, unit: 's' },
    { what: '  peak resident memory', ours: peak / 1e6, unit: 'MB', target: '<= 256' },
    { what: '  size of the file', ours: megabytes, unit: 'MB' },
  ];
}

/** @param {import('../lib/place.mjs').Place} place @param {string} url @param {string[]} words */
async function fetch(place, url, words) {
  const started = performance.now();
  const child = place.spawn(process.execPath, [INFER, 'result', ...words, '--redis', url], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let peak = 0;
  const timer = setInterval(() => {
    try {
      peak = memoryOf(child.pid, 'VmHWM') || peak;
    } catch {
      // It has just exited.
    }
  }, LOOK_MS);
  const [code] = await once(child, 'exit');
  clearInterval(timer);
  if (code !== 0) throw new Error(`infer result ended with ${code}`);
  return { seconds: (performance.now() - started) / 1000, peak };
}
