// The naive worker for large inputs: the tensor comes as base64 in the job's data. Argument: JSON with
// the Redis socket and, by queue, the model and its row shape. Each line on stdin is answered with the
// longest delay of the event loop since the line before, ms.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { Worker } from 'bullmq';
import ort from 'onnxruntime-node';

const RESOLUTION_MS = 5;
const { socket, queues } = JSON.parse(process.argv[2] ?? '{}');
const workers = [];
for (const { queue, model, shape } of queues) {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  /** @param {import('bullmq').Job} job */
  const pool = async (job) => {
    const bytes = Buffer.from(job.data.image, 'base64');
    const image = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const outputs = await session.run({ image: new ort.Tensor('float32', image, [1, ...shape]) });
    return { mean: Array.from(/** @type {Float32Array} */ (outputs.mean?.data)) };
  };
  const worker = new Worker(queue, pool, { connection: { path: socket }, concurrency: 8 });
  await worker.waitUntilReady();
  workers.push(worker);
}
const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
lag.enable();
process.once('SIGTERM', async () => {
  await Promise.all(workers.map((worker) => worker.close()));
  process.exit(0);
});
console.log('{"ready":true}');
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(Math.max(0, lag.max / 1e6 - RESOLUTION_MS)));
  lag.reset();
}
