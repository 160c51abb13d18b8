// The obvious first implementation: a BullMQ worker that calls ONNX Runtime inline. Argument: JSON with the Redis
// socket, the queue, the model and the concurrency.
import { Worker } from 'bullmq';
import ort from 'onnxruntime-node';

const { socket, queue, model, concurrency } = JSON.parse(process.argv[2] ?? '{}');
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });

/** @param {import('bullmq').Job} job */
async function classify(job) {
  const pixels = Float32Array.from(job.data.pixels);
  const outputs = await session.run({ pixels: new ort.Tensor('float32', pixels, [1, 64]) });
  const logits = /** @type {Float32Array} */ (outputs.logits?.data);
  const best = logits.indexOf(Math.max(...logits));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - (logits[best] ?? 0)), 0);
  return { class: best, confidence: 1 / sum };
}

const worker = new Worker(queue, classify, { connection: { path: socket }, concurrency });
await worker.waitUntilReady();
process.once('SIGTERM', async () => {
  await worker.close();
  process.exit(0);
});
console.log('{"ready":true}');
