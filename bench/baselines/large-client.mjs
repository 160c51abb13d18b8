// A client of large inputs, infer's or the naive one. Argument: JSON with the kind, the Redis socket and
// the queues. Each line on stdin, `{queue, shape, jobs, atOnce}`, is answered with jobs a second and the
// milliseconds of each from submit to result.
import { createInterface } from 'node:readline';
import { Queue, QueueEvents } from 'bullmq';
import { InferClient } from 'infer-queue';

const { kind, socket, queues } = JSON.parse(process.argv[2] ?? '{}');

/** @typedef {(image: Float32Array) => Promise<unknown>} Call */

/** @returns {Promise<Map<string, Call>>} */
async function infer() {
  const client = await InferClient.connect({ redis: `unix://${socket}` });
  return new Map(
    queues.map((/** @type {string} */ queue) => {
      /** @type {Call} */
      const call = async (image) => {
        const { state, error } = await client.run(image, { model: queue, queue });
        if (state !== 'completed') throw new Error(`${state}: ${error?.message}`);
      };
      return [queue, call];
    }),
  );
}

/** @returns {Promise<Map<string, Call>>} */
async function naive() {
  const calls = new Map();
  for (const queue of queues) {
    const bull = new Queue(queue, { connection: { path: socket } });
    const events = new QueueEvents(queue, { connection: { path: socket } });
    // Every wait listens to both.
    for (const one of [bull, events]) one.setMaxListeners(0);
    await events.waitUntilReady();
    // Each ended job keeps its tensor, so keep no more of them than are needed to learn how they ended.
    const options = { removeOnComplete: 64 };
    /** @type {Call} */
    const call = async (image) => {
      const data = { image: Buffer.from(image.buffer).toString('base64') };
      await (await bull.add('row', data, options)).waitUntilFinished(events);
    };
    calls.set(queue, call);
  }
  return calls;
}

const calls = await (kind === 'infer' ? infer() : naive());
console.log('{"ready":true}');
for await (const line of createInterface({ input: process.stdin })) {
  const { queue, shape, jobs, atOnce } = JSON.parse(line);
  const elements = shape.reduce((/** @type {number} */ all, /** @type {number} */ one) => all * one, 1);
  const image = Float32Array.from({ length: elements }, (_, i) => (i % 255) / 255);
  const call = /** @type {Call} */ (calls.get(queue));
  /** @type {number[]} */
  const times = [];
  let left = jobs;
  const started = performance.now();
  const loop = async () => {
    while (left-- > 0) {
      const at = performance.now();
      await call(image);
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, loop));
  console.log(JSON.stringify({ rate: (jobs / (performance.now() - started)) * 1000, times }));
}
// The benchmark ends Redis and the workers.
process.exit(0);
