import { type AddressInfo, connect } from 'node:net';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { InferError } from '../../../src/lib/core/errors.js';
import { askOneToken } from '../../../src/lib/serve/auth/one-token.js';
import { type App, createApp } from '../../../src/lib/serve/http/app.js';
import { fitting, mediaType, readBody, readJson, streamBody } from '../../../src/lib/serve/http/body.js';
import { isLoopback, type Listening, listen } from '../../../src/lib/serve/http/listen.js';
import { until } from '../../support/cli.js';
import { thrown } from '../../support/thrown.js';

const failures: unknown[] = [];
const open: Listening[] = [];

afterEach(async () => {
  failures.length = 0;
  await Promise.all(open.splice(0).map((server) => server.close(0)));
});

const newApp = (
  options: { maxBody?: number; answerMs?: number; silentMs?: number; basePath?: string } = {},
): App => {
  const app = createApp({
    maxBody: 1000,
    answerMs: 30_000,
    connections: 100,
    onFailure: (error) => failures.push(error),
    ...options,
  });
  askOneToken(app, undefined, 'NONE');
  return app;
};

const start = async (app: App): Promise<Listening> => {
  const server = await listen(app, { host: '127.0.0.1', port: 0 });
  open.push(server);
  return server;
};

const json = async (answer: Response) => ({ status: answer.status, body: (await answer.json()) as object });

/** What a server answers to bytes on a bare connection, until it closes it. */
const answerTo = (port: number, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (data) => {
      answer += data.toString();
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });

describe('an HTTP server', () => {
  it('answers an unknown address with 404, and a wrong method with 405 and the allowed methods', async () => {
    const app = newApp();
    app.get('/v1/jobs/:id', async () => ({ ok: true }));
    app.delete('/v1/jobs/:id', async () => ({ ok: true }));
    const { url } = await start(app);
    expect(await json(await fetch(`${url}/v1/none?secret=1`))).toEqual({
      status: 404,
      body: {
        type: '/errors/HTTP_ROUTE',
        title: 'The server has no such address',
        status: 404,
        detail: 'there is nothing at this address',
        code: 'HTTP_ROUTE',
        hint: 'GET / lists the routes',
        instance: '/v1/none',
        error: 'there is nothing at this address',
      },
    });
    const below = await start(newApp({ basePath: '/infer' }));
    for (const path of ['/none', '/infer/none']) {
      const { body } = await json(await fetch(new URL(path, below.url)));
      expect(body).toMatchObject({ code: 'HTTP_ROUTE', hint: 'GET /infer/ lists the routes' });
    }
    const wrong = await fetch(`${url}/v1/jobs/a%20b`, { method: 'POST', body: 'x' });
    expect(wrong.headers.get('allow')).toBe('DELETE, GET, HEAD');
    expect(wrong.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await json(wrong)).toMatchObject({ status: 405, body: { code: 'HTTP_METHOD' } });
    expect((await fetch(`${url}/v1/jobs/${'i'.repeat(1500)}`)).status).toBe(200);
    expect((await fetch(`${url}/v1/jobs/${'i'.repeat(1700)}`)).status).toBe(400);
    expect((await fetch(`${url}/v1/jobs/%`)).status).toBe(400);
    expect(failures).toEqual([]);
  });

  it('answers an expected error by its code, and any other with 500 and without its text', async () => {
    const app = newApp();
    app.get('/expected', async () => {
      throw new InferError('JOB_UNKNOWN', 'there is no job x', { hint: 'infer inspect jobs' });
    });
    app.get('/broker', async () => {
      throw new InferError('REDIS_UNREACHABLE', 'redis://10.1.2.3:6379 refused', { hint: 'start 10.1.2.3' });
    });
    app.get('/bug', async () => {
      throw new TypeError('password hunter2');
    });
    const { url } = await start(app);
    expect(await json(await fetch(`${url}/expected`))).toMatchObject({
      status: 404,
      body: { code: 'JOB_UNKNOWN', detail: 'there is no job x', hint: 'infer inspect jobs' },
    });
    const away = await (await fetch(`${url}/broker`)).text();
    expect(JSON.parse(away)).toMatchObject({ status: 503, code: 'REDIS_UNREACHABLE' });
    expect(away).not.toContain('10.1.2.3');
    const bug = await fetch(`${url}/bug`);
    const text = await bug.text();
    expect(JSON.parse(text)).toMatchObject({ status: 500, code: 'INTERNAL' });
    expect(text).not.toContain('hunter2');
    expect(failures).toEqual([new TypeError('password hunter2')]);
  });

  it('gives each answer the id of its request: the caller’s own where it is one', async () => {
    const app = newApp();
    app.get('/', async () => 'ok');
    app.get('/fails', async () => {
      throw new TypeError('a bug');
    });
    app.get('/stream', async (_request, reply) => reply.send(Readable.from(['a', 'b'])));
    const { url } = await start(app);
    const idOf = async (given?: string) =>
      (await fetch(url, given === undefined ? {} : { headers: { 'X-Request-Id': given } })).headers.get(
        'x-request-id',
      );
    expect(await idOf('trace-1:a/b')).toBe('trace-1:a/b');
    const made = await idOf();
    expect(made).toMatch(/^[0-9a-f-]{36}$/);
    for (const odd of ['a b', 'x'.repeat(200), '<script>'])
      expect(await idOf(odd)).toMatch(/^[0-9a-f-]{36}$/);
    const headers = { 'X-Request-Id': 'trace-2' };
    for (const address of ['/fails', '/none', '/%', '/stream', `/fails?${'q'.repeat(100)}`]) {
      const answer = await fetch(url + address, { headers });
      expect([address, answer.headers.get('x-request-id')]).toEqual([address, 'trace-2']);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      await answer.text();
    }
    const wrongMethod = await fetch(url, { method: 'PATCH', headers });
    expect([wrongMethod.status, wrongMethod.headers.get('x-request-id')]).toEqual([405, 'trace-2']);
  });

  it('answers an invalid request with a JSON error, and keeps running', async () => {
    const app = newApp();
    app.get('/', async () => 'ok');
    const { port, url } = await start(app);
    const garbage = await answerTo(port, 'hello\r\n\r\n');
    expect(garbage).toMatch(/^HTTP\/1\.1 400 /);
    expect(garbage).toContain('"code":"HTTP_REQUEST"');
    expect(garbage).toMatch(/\r\nx-request-id: [0-9a-f-]{36}\r\n/);
    expect(garbage).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/);
    const bomb = await answerTo(port, `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'a'.repeat(20_000)}\r\n\r\n`);
    expect(bomb).toMatch(/^HTTP\/1\.1 431 /);
    expect((await fetch(url)).status).toBe(200);
  });

  it('answers a request without a Host with a JSON error, and ignores an expectation that it does not know', async () => {
    const app = newApp();
    app.get('/', async () => 'ok');
    const { port } = await start(app);
    const close = 'Connection: close\r\n\r\n';
    const nameless = await answerTo(port, `GET / HTTP/1.1\r\n${close}`);
    expect(nameless).toMatch(/^HTTP\/1\.1 400 [\s\S]*application\/problem\+json[\s\S]*"code":"HTTP_REQUEST"/);
    expect(await answerTo(port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 [\s\S]*ok$/);
    const expecting = await answerTo(port, `GET / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\n${close}`);
    expect(expecting).toMatch(/^HTTP\/1\.1 200 [\s\S]*ok$/);
  });

  it('refuses a request without a version of HTTP, or with an address that is no path', async () => {
    const app = newApp();
    app.get('/', async () => 'ok');
    const { port } = await start(app);
    const refused = /^HTTP\/1\.1 400 [\s\S]*application\/problem\+json[\s\S]*"code":"HTTP_REQUEST"/;
    const host = 'Host: x\r\nConnection: close\r\n\r\n';
    expect(await answerTo(port, 'GET /\r\n\r\n')).toMatch(refused);
    expect(await answerTo(port, `GET * HTTP/1.1\r\n${host}`)).toMatch(refused);
    expect(await answerTo(port, `GET http://x/ HTTP/1.1\r\n${host}`)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('does not write into an answer that has begun, when what comes behind its request is no HTTP', async () => {
    const app = newApp();
    let more: () => void = () => undefined;
    const pieces = new Readable({ read: () => undefined });
    const begun = new Promise<void>((resolve) => {
      more = resolve;
    });
    app.get('/', async (_request, reply) => {
      pieces.push('first\n');
      more();
      return reply.send(pieces);
    });
    const { port } = await start(app);
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    let text = '';
    socket.on('data', (data) => {
      if (text === '') socket.write('no request\r\n\r\n');
      text += data.toString();
    });
    socket.on('error', () => undefined);
    await begun;
    await new Promise((resolve) => socket.once('close', resolve));
    expect(text).toContain('first');
    expect(text).not.toContain('HTTP_REQUEST');
    pieces.destroy();
  });

  it('does not wait for the end of a body that no one reads', async () => {
    const app = newApp();
    app.post('/', async () => 'done');
    const { port } = await start(app);
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n';
    expect(await answerTo(port, head)).toMatch(/^HTTP\/1\.1 200 [\s\S]*done/);
  });

  it('ends the signal of a request that takes too long, and answers 503', async () => {
    const app = newApp({ answerMs: 50 });
    let reason: unknown;
    app.get('/', async (request) => {
      await new Promise<void>((resolve) => request.signal.addEventListener('abort', () => resolve()));
      reason = request.signal.reason;
      return 'late';
    });
    const { url } = await start(app);
    expect(await json(await fetch(url))).toMatchObject({ status: 503, body: { code: 'HTTP_LATE' } });
    expect(reason).toBeDefined();
  });

  it('closes a silent connection later than any answer may take', () => {
    expect(newApp({ answerMs: 90_000 }).server.timeout).toBe(120_000);
    expect(newApp({ answerMs: 330_000 }).server.timeout).toBe(360_000);
  });

  it('listens on localhost as one server, and takes only addresses of this machine for its own', async () => {
    const app = newApp();
    app.get('/', async () => 'ok');
    const server = await listen(app, { host: 'localhost', port: 0 });
    open.push(server);
    expect(app.addresses().map((one) => (one as AddressInfo).address)).toEqual(['127.0.0.1']);
    expect((await fetch(`http://127.0.0.1:${server.port}`)).status).toBe(200);
    expect(['127.0.0.1', '127.8.9.1', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true]);
    expect(['127.0.0.1.example.com', '0.0.0.0', '10.0.0.1'].map(isLoopback)).toEqual([false, false, false]);
  });

  it('lets a request end that is under way when it closes', async () => {
    const app = newApp();
    let asked: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      asked = resolve;
    });
    let answer: (text: string) => void = () => undefined;
    app.get('/late', () => {
      asked();
      return new Promise<string>((resolve) => {
        answer = resolve;
      });
    });
    const server = await start(app);
    const got = fetch(`${server.url}/late`).then((response) => response.text());
    await begun;
    const closed = server.close(60_000);
    answer('in time');
    expect(await got).toContain('in time');
    await closed;
  });

  it('disconnects a request that does not end when it closes', async () => {
    const app = newApp();
    let asked: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      asked = resolve;
    });
    app.get('/never', () => {
      asked();
      return new Promise<string>(() => undefined);
    });
    const server = await start(app);
    const got = fetch(`${server.url}/never`).then(
      ({ status }) => status,
      () => 'hung up',
    );
    await begun;
    await server.close(20);
    expect(await got).toBe('hung up');
    await server.close();
  });
});

describe('a request body', () => {
  const echo = (): App => {
    const app = newApp();
    const limits = { maxBytes: 1000 };
    app.post('/bytes', async (request) => ({ bytes: (await readBody(request, limits)).length }));
    app.post('/json', async (request) => readJson(request, z.object({ rows: z.int() }), limits));
    return app;
  };

  it('is decompressed', async () => {
    const { url } = await start(echo());
    const body = gzipSync(Buffer.alloc(900));
    const answer = await fetch(`${url}/bytes`, {
      method: 'POST',
      body,
      headers: { 'Content-Encoding': 'gzip' },
    });
    expect(await answer.json()).toEqual({ bytes: 900 });
  });

  it.each([
    ['too large', Buffer.alloc(1001), {}, 413, 'INPUT_TOO_LARGE'],
    ['a bomb', gzipSync(Buffer.alloc(100_000)), { 'Content-Encoding': 'gzip' }, 413, 'INPUT_TOO_LARGE'],
    ['of an unknown encoding', Buffer.alloc(1), { 'Content-Encoding': 'br' }, 415, 'INPUT_FORMAT'],
    ['not what its encoding says', Buffer.from('abc'), { 'Content-Encoding': 'gzip' }, 400, 'HTTP_REQUEST'],
  ] as const)('is refused when it is %s', async (_, body, headers, status, code) => {
    const { url } = await start(echo());
    const answer = await fetch(`${url}/bytes`, { method: 'POST', body, headers });
    expect(await json(answer)).toMatchObject({ status, body: { code } });
    expect((await fetch(`${url}/bytes`, { method: 'POST', body: 'x' })).status).toBe(200);
  });

  it.each([
    ['{"rows": 1', 'INPUT_JSON', /JSON/],
    ['{"rows": "many"}', 'PARAMETER', /^rows: /],
    ['[1]', 'PARAMETER', /./],
    ['', 'PARAMETER', /^rows: /],
  ])('of JSON is refused where it does not fit: %s', async (body, code, detail) => {
    const { url } = await start(echo());
    const answer = await json(await fetch(`${url}/json`, { method: 'POST', body }));
    expect(answer).toMatchObject({ status: 400, body: { code, detail: expect.stringMatching(detail) } });
  });

  it('is streamed, with its media type', async () => {
    const app = newApp();
    app.post('/pieces', async (request) => {
      let size = 0;
      for await (const piece of streamBody(request, { maxBytes: 1000 })) size += (piece as Buffer).length;
      return { type: mediaType(request), ...fitting(z.object({ size: z.int() }), { size }) };
    });
    const { url } = await start(app);
    const headers = { 'Content-Type': 'Application/JSON; charset=utf-8' };
    const answer = await fetch(`${url}/pieces`, { method: 'POST', body: 'x'.repeat(900), headers });
    expect(await answer.json()).toEqual({ type: 'application/json', size: 900 });
  });

  it('that never ends is refused, by its size or its time', async () => {
    const app = newApp();
    app.post('/short', async (request) => readBody(request, { maxBytes: 1000, withinMs: 100 }));
    app.post('/small', async (request) => readBody(request, { maxBytes: 10 }));
    const { port, url } = await start(app);
    const head = 'Host: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await answerTo(port, `POST /short HTTP/1.1\r\n${head}1\r\na\r\n`)).toMatch(/^HTTP\/1\.1 408 /);
    const large = await answerTo(port, `POST /small HTTP/1.1\r\n${head}14\r\n${'a'.repeat(20)}\r\n`);
    expect(large).toMatch(/^HTTP\/1\.1 413 /);
    expect((await fetch(`${url}/short`, { method: 'POST', body: 'x' })).status).toBe(200);
    expect(failures).toEqual([]);
  });

  it('that is read as it comes and stalls is given up when nothing has come for the time of silence', async () => {
    const app = newApp({ silentMs: 200 });
    let read = 0;
    let told: (error: unknown) => void = () => undefined;
    const failed = new Promise<unknown>((resolve) => {
      told = resolve;
    });
    app.post('/pieces', { config: { endless: true } }, async (request) => {
      try {
        for await (const piece of streamBody(request, { maxBytes: 1000 })) read += (piece as Buffer).length;
      } catch (error) {
        told(error);
        throw error;
      }
      return 'whole';
    });
    const { port, url } = await start(app);
    const answer = await answerTo(
      port,
      'POST /pieces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    );
    expect(await failed).toMatchObject({ code: 'HTTP_REQUEST', message: 'the body ended early' });
    expect(read).toBe(3);
    expect(answer).not.toContain('whole');
    expect((await fetch(`${url}/pieces`, { method: 'POST', body: 'x' })).status).toBe(200);
    expect(failures).toEqual([]);
  });

  it.each([
    ['a body that is not what its encoding says', Buffer.from('abc')],
    ['a body that is cut off', gzipSync(Buffer.alloc(500, 'a')).subarray(0, 20)],
  ])('of a route that reads late, or never, ends nothing: %s', async (_, body) => {
    const app = newApp();
    /** Whatever decompresses the body before it is read has failed by then. */
    const decompressed = async (request: { raw: { complete: boolean } }) => {
      await until(async () => request.raw.complete);
      for (let i = 0; i < 3; i++) await promisify(gunzip)(body).catch(() => undefined);
    };
    app.post('/never', async (request) => {
      streamBody(request, { maxBytes: 1000 });
      await decompressed(request);
      throw new InferError('MODEL_UNKNOWN', 'no such model');
    });
    app.post('/late', async (request) => {
      const stream = streamBody(request, { maxBytes: 1000 });
      await decompressed(request);
      for await (const _ of stream);
      return 'read';
    });
    const { url } = await start(app);
    const post = (path: string) =>
      fetch(url + path, { method: 'POST', body, headers: { 'Content-Encoding': 'gzip' } });
    expect(await json(await post('/never'))).toMatchObject({ status: 404, body: { code: 'MODEL_UNKNOWN' } });
    expect(await json(await post('/late'))).toMatchObject({ status: 400, body: { code: 'HTTP_REQUEST' } });
    expect(failures).toEqual([]);
  });

  it('whose caller leaves before it is read ended early', async () => {
    const app = newApp();
    const read = new Promise((resolve) => {
      app.post('/late', async (request) => {
        const stream = streamBody(request, { maxBytes: 1000 });
        await new Promise<void>((left) => request.signal.addEventListener('abort', () => left()));
        const reading = (async () => {
          for await (const _ of stream);
        })();
        resolve(await reading.catch((error: unknown) => error));
        return 'read';
      });
    });
    const { port } = await start(app);
    const socket = connect(port, '127.0.0.1');
    const head = 'POST /late HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n';
    socket.write(`${head}\r\nabc`, () => socket.destroy());
    expect(await read).toMatchObject({ code: 'HTTP_REQUEST', message: 'the body ended early' });
    expect(failures).toEqual([]);
  });

  it('that does not fit is told without the caller’s own text, which may be as long as the body', () => {
    const name = 'x'.repeat(10_000);
    const refused = thrown(() => fitting(z.strictObject({}), { [name]: 1 }));
    expect(refused.code).toBe('PARAMETER');
    expect(refused.message.length).toBeLessThan(500);
  });

  it('whose headers do not come is given up after ten seconds', { timeout: 30_000 }, async () => {
    const { port } = await start(echo());
    expect(await answerTo(port, 'POST /bytes HTTP/1.1\r\nHost: x\r\n')).toMatch(
      /^HTTP\/1\.1 408 [\s\S]*"code":"HTTP_SLOW"/,
    );
  });

  it('that ends early is refused, and the server keeps running', async () => {
    const { url, port } = await start(echo());
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc', () => socket.destroy());
    await new Promise((resolve) => socket.once('close', resolve));
    expect((await fetch(`${url}/bytes`, { method: 'POST', body: 'x' })).status).toBe(200);
    expect(failures).toEqual([]);
  });
});
