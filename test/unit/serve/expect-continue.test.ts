import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { askToken } from '../../../src/lib/serve/auth/ask-token.js';
import { createApp } from '../../../src/lib/serve/http/app.js';
import { readBody, streamBody } from '../../../src/lib/serve/http/body.js';
import { BodyMemory } from '../../../src/lib/serve/http/body-memory.js';
import { type Listening, listen } from '../../../src/lib/serve/http/listen.js';
import { until } from '../../support/cli.js';

const open: Listening[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(open.splice(0).map((server) => server.close(0)));
});

async function start(): Promise<Listening> {
  const app = createApp({
    maxBody: 1000,
    bodyMemory: new BodyMemory(500),
    answerMs: 30_000,
    connections: 20,
    onFailure: () => undefined,
  });
  askToken(app, { find: (token) => (token === 'secret' ? { name: 'web', allows: () => true } : undefined) });
  app.post('/whole', async (request) => (await readBody(request, { maxBytes: 1000 })).toString());
  app.post('/rows', async (request) => {
    let text = '';
    for await (const piece of streamBody(request, { maxBytes: 1000 })) text += String(piece);
    return text;
  });
  app.post('/taken', async (request) => {
    streamBody(request, { maxBytes: 1000 });
    throw new InferError('ID_TAKEN', 'it is taken');
  });
  const server = await listen(app, { host: '127.0.0.1', port: 0 });
  open.push(server);
  return server;
}

/** Sends the headers of a request that waits for 100 before its body. */
async function ask({ port }: Listening, line: string, length: number, token = 'secret') {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  const said = { text: '', socket };
  socket.on('data', (data) => {
    said.text += data.toString();
  });
  await once(socket, 'connect');
  const headers = ['Host: x', `Authorization: Bearer ${token}`, `Content-Length: ${length}`];
  socket.write(`${[`${line} HTTP/1.1`, ...headers, 'Expect: 100-continue'].join('\r\n')}\r\n\r\n`);
  return said;
}

it.each([
  ['without a valid token', 401, 'POST /whole', 10, 'wrong'],
  ['to an unknown address', 404, 'POST /none', 10, 'secret'],
  ['with a wrong method', 405, 'PUT /whole', 10, 'secret'],
  ['with a body that is too large', 413, 'POST /whole', 5000, 'secret'],
  ['with a body that has no room in memory', 503, 'POST /whole', 800, 'secret'],
  ['that its route refuses before it reads the body', 409, 'POST /taken', 10, 'secret'],
])('a request %s gets its final status without 100, and the connection ends', async (...row) => {
  const [, status, line, length, token] = row;
  const said = await ask(await start(), line, length, token);
  await once(said.socket, 'end');
  expect(said.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*\\r\\nconnection: close\\r\\n`, 'i'));
  expect(said.text).not.toContain('100 Continue');
});

it.each(['/whole', '/rows'])('a body is asked for with 100 when it is about to be read: %s', async (path) => {
  const said = await ask(await start(), `POST ${path}`, 5);
  const begin = 'HTTP/1.1 100 Continue\r\n\r\n';
  await until(async () => said.text.length >= begin.length);
  expect(said.text).toBe(begin);
  said.socket.write('hello');
  await until(async () => said.text.endsWith('hello'));
  expect(said.text.slice(begin.length)).toMatch(/^HTTP\/1\.1 200 /);
});
