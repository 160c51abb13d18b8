import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { askToken } from '../../../src/lib/serve/auth/ask-token.js';
import { createApp } from '../../../src/lib/serve/http/app.js';
import { readBody } from '../../../src/lib/serve/http/body.js';
import { type Listening, listen } from '../../../src/lib/serve/http/listen.js';
import { serverTiming } from '../../../src/lib/serve/http/server-timing.js';
import { Traffic } from '../../../src/lib/serve/http/traffic.js';
import { until } from '../../support/cli.js';
import { keepLog } from '../../support/log-lines.js';

const open: Listening[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close(0)));
});

async function watched(basePath = '') {
  const kept = keepLog();
  const traffic = new Traffic(kept.log);
  const app = createApp({
    maxBody: 1e6,
    answerMs: 30_000,
    connections: 10,
    basePath,
    observer: traffic,
    onFailure: () => undefined,
  });
  askToken(app, { find: (token) => (token === 'secret' ? { name: 'web', allows: () => true } : undefined) });
  app.get('/healthz', { config: { access: 'open' } }, async () => 'ok');
  app.post('/v1/jobs/:id', async (request) => ({
    size: (await readBody(request, { maxBytes: 1e6 })).length,
  }));
  app.post('/v1/fails', async (request) => {
    const body = await readBody(request, { maxBytes: 1e6 });
    throw new InferError('INPUT_JSON', `what came: ${body} at ${request.url}`);
  });
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  app.get('/v1/held', async () => held.then(() => 'done'));
  app.get('/v1/never', () => new Promise(() => undefined));
  app.get('/v1/jobs/:id/events', (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.raw.write(': hello\n\n');
  });
  const server = await listen(app, { host: '127.0.0.1', port: 0 });
  open.push(server);
  const lines = () =>
    kept.text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { app, traffic, server, kept, lines, release };
}

it('logs one line per request, with its route and without address, query, body or token', async () => {
  const { server, kept, lines } = await watched();
  const headers = { authorization: 'Bearer secret', 'x-request-id': 'mine-1' };
  const body = 'payload-'.repeat(100);
  await fetch(`${server.url}/v1/jobs/private-id?key=hidden`, { method: 'POST', headers, body });
  await fetch(`${server.url}/v1/jobs/private-id`, { method: 'POST', body: 'x' });
  await fetch(`${server.url}/healthz`);
  await fetch(`${server.url}/v1/fails?key=hidden`, { method: 'POST', headers, body });
  await fetch(`${server.url}/%?key=hidden`, { headers });
  const [done, refused, probe, failed, unreadable] = await until(async () =>
    lines().length === 5 ? lines() : undefined,
  );
  expect(done).toMatchObject({
    level: 'info',
    msg: 'request',
    requestId: 'mine-1',
    method: 'POST',
    route: '/v1/jobs/:id',
    status: 200,
    caller: 'web',
  });
  expect(done?.bytesIn).toBeGreaterThan(800);
  expect(done?.bytesOut).toBeGreaterThan(10);
  expect(done?.ms).toBeGreaterThan(0);
  expect(refused).toMatchObject({ status: 401, code: 'TOKEN' });
  expect(refused).not.toHaveProperty('caller');
  expect(probe).toMatchObject({ level: 'debug', route: '/healthz' });
  expect(failed).toMatchObject({ route: '/v1/fails', status: 400, code: 'INPUT_JSON', caller: 'web' });
  expect(unreadable).toMatchObject({
    requestId: 'mine-1',
    method: 'GET',
    route: '(none)',
    status: 400,
    code: 'HTTP_REQUEST',
  });
  for (const hidden of ['private-id', 'hidden', 'payload-', 'secret'])
    expect(kept.text).not.toContain(hidden);
});

it('counts requests, bytes, errors and open streams, and reports callers that disconnected before the response', async () => {
  const { server, traffic } = await watched();
  const headers = { authorization: 'Bearer secret' };
  await fetch(`${server.url}/v1/jobs/a`, { method: 'POST', headers, body: 'x'.repeat(5000) });
  await fetch(`${server.url}/none`, { headers });
  const leaving = new AbortController();
  const stream = await fetch(`${server.url}/v1/jobs/a/events`, { headers, signal: leaving.signal });
  const never = fetch(`${server.url}/v1/never`, { headers, signal: leaving.signal });
  await until(async () => (traffic.underWay === 1 ? true : undefined));
  expect(stream.status).toBe(200);
  expect(traffic.figures()).toMatchObject({ openRequests: 1, openStreams: 1 });
  leaving.abort();
  await expect(never).rejects.toThrow();
  await until(async () => (traffic.figures().openStreams + traffic.underWay === 0 ? true : undefined));
  const { routes, errors } = traffic.figures();
  const of = (route: string) => routes.find((one) => one.route === route);
  expect([...(of('/v1/jobs/:id')?.byStatus ?? [])]).toEqual([[200, 1]]);
  expect(of('/v1/jobs/:id')?.received).toBeGreaterThan(5000);
  expect(of('/v1/jobs/:id')?.duration).toMatchObject({ count: 1 });
  expect([...(of('/v1/never')?.byStatus ?? [])]).toEqual([[499, 1]]);
  expect(of('/v1/jobs/:id/events')?.duration.count).toBe(0);
  expect([...errors]).toEqual([['HTTP_ROUTE', 1]]);
  expect(of('(none)')?.byStatus.get(404)).toBe(1);
});

it('waits for the open requests and for no later one', async () => {
  const { server, traffic } = await watched();
  expect(await traffic.settled(0)).toBe(true);
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    'POST /v1/jobs/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nContent-Length: 4\r\n\r\nab',
  );
  await until(async () => (traffic.underWay === 1 ? true : undefined));
  expect(await traffic.settled(10)).toBe(false);
  const settled = traffic.settled(60_000);
  const headers = { authorization: 'Bearer secret' };
  const later = fetch(`${server.url}/v1/never`, { headers }).catch(() => undefined);
  await until(async () => (traffic.underWay === 2 ? true : undefined));
  socket.write('cd');
  expect(await settled).toBe(true);
  socket.destroy();
  await open[0]?.close(0);
  await later;
});

it.each([
  [null, undefined],
  [{ totalMs: 12 }, 'total;dur=12'],
  [{ queueMs: 4.1, runMs: 0.40009, totalMs: 5 }, 'queue;dur=4.1, run;dur=0.4, total;dur=5'],
  [{ queueMs: 4, runMs: null, totalMs: 5 }, 'queue;dur=4, total;dur=5'],
])('tells how long a job took: %j', (timing, text) => {
  expect(serverTiming(timing)).toBe(text);
});

it('logs and counts what no route gets: an address that is malformed, too long, or elsewhere', async () => {
  const { server, lines, traffic } = await watched('/infer');
  const token = { authorization: 'Bearer secret' };
  for (const [path, status] of [
    ['/infer/v1/jobs/%', 400],
    [`/infer/v1/jobs/${'i'.repeat(1700)}`, 400],
    ['/v1/jobs/a', 404],
  ] as const) {
    const answer = await fetch(server.url + path, { headers: { ...token, 'x-request-id': 'mine' } });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('x-request-id')).toBe('mine');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('cache-control')).toBe('no-store');
  }
  await until(async () => lines().length === 3);
  expect(lines().map(({ status }) => status)).toEqual([400, 400, 404]);
  expect(traffic.figures().errors).toEqual(
    new Map([
      ['HTTP_REQUEST', 2],
      ['HTTP_ROUTE', 1],
    ]),
  );
});

/** What a server answers on a bare connection until it ends it. */
async function answerOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const piece of socket) text += String(piece);
  return text;
}

it('logs and counts what Node refuses before any route: no HTTP, too large headers, late headers', async () => {
  const { app, server, traffic, kept, lines } = await watched();
  const say = (text: string): Socket => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(text);
    return socket;
  };
  const answers = [
    await answerOf(say('private-thing\r\n\r\n')),
    await answerOf(say(`GET /private HTTP/1.1\r\nHost: x\r\nX-Big: ${'a'.repeat(20_000)}\r\n\r\n`)),
  ];
  const connected = once(app.server, 'connection') as Promise<[Socket]>;
  const late = answerOf(say('GET /private HT'));
  const [peer] = await connected;
  await until(async () => (peer.bytesRead > 0 ? true : undefined));
  // As Node does after ten seconds.
  app.server.emit('clientError', Object.assign(new Error(), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), peer);
  answers.push(await late);
  const told = await until(async () => (lines().length === 3 ? lines() : undefined));
  const same = { level: 'info', msg: 'request', method: 'OTHER', route: '(none)' };
  expect(told).toEqual([
    expect.objectContaining({ ...same, status: 400, code: 'HTTP_REQUEST' }),
    expect.objectContaining({ ...same, status: 431, code: 'HTTP_REQUEST' }),
    expect.objectContaining({ ...same, status: 408, code: 'HTTP_SLOW' }),
  ]);
  for (const [at, answer] of answers.entries()) {
    expect(answer).toContain(`HTTP/1.1 ${told[at]?.status} `);
    expect(answer).toContain(`x-request-id: ${told[at]?.requestId}\r\n`);
    expect(told[at]?.bytesOut).toBe(answer.length);
    expect(told[at]?.bytesIn).toBeGreaterThan(10);
  }
  expect(kept.text).not.toContain('private');
  const { routes, errors } = traffic.figures();
  expect(Object.fromEntries(errors)).toEqual({ HTTP_REQUEST: 2, HTTP_SLOW: 1 });
  expect(routes).toMatchObject([{ method: 'OTHER', route: '(none)', duration: { count: 0 } }]);
  expect(Object.fromEntries(routes[0]?.byStatus ?? [])).toEqual({ 400: 1, 431: 1, 408: 1 });
});

it('a connection on which nothing was sent is no request', async () => {
  const { app, server, traffic, lines } = await watched();
  const connected = once(app.server, 'connection') as Promise<[Socket]>;
  const socket = connect(server.port, '127.0.0.1');
  const [peer] = await connected;
  app.server.emit('clientError', Object.assign(new Error(), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), peer);
  expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 408 /);
  expect([lines(), traffic.figures().routes]).toEqual([[], []]);
});

it('a request whose body Node refuses is one request, with its route and the status it got', async () => {
  const { server, traffic, lines } = await watched();
  const socket = connect(server.port, '127.0.0.1');
  const headers =
    'Host: x\r\nAuthorization: Bearer secret\r\nX-Request-Id: mine-2\r\nTransfer-Encoding: chunked';
  socket.write(`POST /v1/jobs/a HTTP/1.1\r\n${headers}\r\n\r\n3\r\nabc\r\n`);
  await until(async () => (traffic.underWay === 1 ? true : undefined));
  socket.write('no chunk\r\n');
  const answer = await answerOf(socket);
  expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*\r\nx-request-id: mine-2\r\n/);
  const [line, ...others] = await until(async () => (lines().length > 0 ? lines() : undefined));
  expect(line).toMatchObject({
    requestId: 'mine-2',
    method: 'POST',
    route: '/v1/jobs/:id',
    status: 400,
    code: 'HTTP_REQUEST',
  });
  expect(others).toEqual([]);
  expect(Object.fromEntries(traffic.figures().errors)).toEqual({ HTTP_REQUEST: 1 });
});

it('a malformed request is refused after the requests before it on its connection are answered', async () => {
  const { app, server, traffic, lines, release } = await watched();
  const socket = connect(server.port, '127.0.0.1');
  const headers = 'Host: x\r\nAuthorization: Bearer secret\r\nX-Request-Id: first';
  socket.write(`GET /v1/held HTTP/1.1\r\n${headers}\r\n\r\n`);
  await until(async () => (traffic.underWay === 1 ? true : undefined));
  for (const text of ['no request\r\n\r\n', 'nor this\r\n\r\n']) {
    const refused = once(app.server, 'clientError');
    socket.write(text);
    await refused;
  }
  release();
  const text = await answerOf(socket);
  expect(text.match(/HTTP\/1\.1 (\d+)/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
  const told = await until(async () => (lines().length === 2 ? lines() : undefined));
  expect(told.map(({ requestId, status }) => [requestId === 'first', status])).toEqual([
    [true, 200],
    [false, 400],
  ]);
});
