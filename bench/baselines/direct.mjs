// The model called in a loop, with nothing around it: what the hardware can do. Argument: JSON with model, input name,
// row shape and batch sizes. Each line on stdin, `{seconds}`, is answered with rows a second by batch size.
import { createInterface } from 'node:readline';
import ort from 'onnxruntime-node';

const { model, input, shape, sizes } = JSON.parse(process.argv[2] ?? '{}');
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });

/** @type {Map<number, import('onnxruntime-node').Tensor>} */
const batches = new Map();
for (const size of sizes) {
  const elements = shape.reduce((/** @type {number} */ all, /** @type {number} */ one) => all * one, size);
  const values = Float32Array.from({ length: elements }, (_, i) => ((i * 7) % 17) / 16);
  batches.set(size, new ort.Tensor('float32', values, [size, ...shape]));
}

/** @param {number} size @param {number} seconds */
async function rate(size, seconds) {
  const feeds = { [input]: /** @type {import('onnxruntime-node').Tensor} */ (batches.get(size)) };
  await session.run(feeds);
  const started = performance.now();
  let rows = 0;
  let ms = 0;
  while (ms < seconds * 1000) {
    await session.run(feeds);
    rows += size;
    ms = performance.now() - started;
  }
  return (rows / ms) * 1000;
}

console.log('{"ready":true}');
for await (const line of createInterface({ input: process.stdin })) {
  const { seconds } = JSON.parse(line);
  /** @type {Record<string, number>} */
  const rates = {};
  for (const size of sizes) rates[size] = await rate(size, seconds / sizes.length);
  console.log(JSON.stringify(rates));
}
