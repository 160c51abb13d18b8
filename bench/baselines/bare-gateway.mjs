// The least that a gateway in a process of its own can be: node:http, JSON.parse, `InferClient.run`,
// JSON.stringify; no checks, limits, tokens, log or metrics. Argument: JSON with the Redis socket. Each line
// on stdin is answered with the address.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { InferClient } from 'infer-queue';

const { socket } = JSON.parse(process.argv[2] ?? '{}');
const client = await InferClient.connect({ redis: `unix://${socket}` });

const server = createServer(async (request, response) => {
  /** @type {Buffer[]} */
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const { inputs } = JSON.parse(Buffer.concat(pieces).toString());
  const job = await client.run(inputs[0].data, { model: 'digits', queue: 'realtime' });
  const text = JSON.stringify({ id: job.id, outputs: job.output });
  response.writeHead(job.state === 'completed' ? 200 : 500, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
});

await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
const address = /** @type {import('node:net').AddressInfo} */ (server.address());
const url = `http://127.0.0.1:${address.port}`;
process.stdout.write('{}\n');
for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify({ url })}\n`);
}
await client.close();
process.exit();
