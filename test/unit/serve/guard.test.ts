import { request } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { askToken } from '../../../src/lib/serve/auth/ask-token.js';
import { createApp } from '../../../src/lib/serve/http/app.js';
import { type GuardOptions, guard } from '../../../src/lib/serve/http/guard.js';
import { type Listening, listen } from '../../../src/lib/serve/http/listen.js';

const open: Listening[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close(0)));
});

async function guarded(options: Partial<GuardOptions> = {}, basePath = '') {
  const app = createApp({
    maxBody: 1000,
    answerMs: 30_000,
    connections: 100,
    basePath,
    onFailure: (error) => {
      throw error;
    },
  });
  guard(app, { serverNames: [], tokens: false, origins: [], originHint: 'see the help', ...options });
  askToken(app, undefined);
  app.get('/x', async () => ({ ok: true }));
  app.post('/x', async () => ({ ok: true }));
  const server = await listen(app, { host: '127.0.0.1', port: 0 });
  open.push(server);
  return server;
}

/** `fetch` refuses to set Host and Sec-Fetch-Site. */
function ask(port: number, method: string, headers: Record<string, string>, path = '/x') {
  return new Promise<{ status: number; headers: Record<string, unknown>; code: string | undefined }>(
    (resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
        let text = '';
        answer.on('data', (piece: Buffer) => {
          text += piece.toString();
        });
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            code: text === '' ? undefined : (JSON.parse(text) as { code?: string }).code,
          }),
        );
      });
      asked.on('error', reject);
      asked.end();
    },
  );
}

it.each([
  ['127.0.0.1:8000', 200],
  ['10.1.2.3', 200],
  ['[::1]:8000', 200],
  ['localhost:8000', 200],
  ['LOCALHOST.', 200],
  ['app.localhost', 200],
  ['infer.example.com:8000', 200],
  ['a.models.example.com', 200],
  ['models.example.com', 421],
  ['evil.example.com', 421],
  ['localhost.evil.com', 421],
  ['127.0.0.1.evil.com', 421],
])('without tokens the Host %s gets %i', async (host, status) => {
  const { port } = await guarded({ serverNames: ['infer.example.com', '*.models.example.com'] });
  const answer = await ask(port, 'GET', { host });
  expect(answer.status).toBe(status);
  if (status !== 200) expect(answer.code).toBe('HTTP_HOST');
});

it('with tokens a Host is checked only if a name is given', async () => {
  const { port } = await guarded({ tokens: true });
  expect((await ask(port, 'GET', { host: 'any.example.com' })).status).toBe(200);
  const named = await guarded({ tokens: true, serverNames: ['infer.example.com'] });
  expect((await ask(named.port, 'GET', { host: 'any.example.com' })).status).toBe(421);
});

it.each([
  ['no browser', {}, 200],
  ['the server’s own page', { origin: 'http://localhost:81', host: 'localhost:81' }, 200],
  ['its own page without Origin', { 'sec-fetch-site': 'same-origin' }, 200],
  ['an address that was typed', { 'sec-fetch-site': 'none' }, 200],
  ['an allowed page', { origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' }, 200],
  ['another page', { origin: 'https://evil.example.com' }, 403],
  ['a sandboxed page', { origin: 'null' }, 403],
  ['another port of this host', { origin: 'http://localhost:82', host: 'localhost:81' }, 403],
  ['another page without Origin', { 'sec-fetch-site': 'cross-site' }, 403],
  ['a sibling site without Origin', { 'sec-fetch-site': 'same-site' }, 403],
])('what changes something is taken from %s or not', async (_, headers, status) => {
  const { port } = await guarded({ origins: ['https://app.example.com'] });
  const answer = await ask(port, 'POST', { host: 'localhost', ...headers });
  expect(answer.status).toBe(status);
  if (status === 403) expect(answer.code).toBe('HTTP_ORIGIN');
});

it('lets pages of an allowed origin read responses, including errors, and answers their preflight requests', async () => {
  const { port } = await guarded({ origins: ['https://app.example.com'] });
  const origin = 'https://app.example.com';
  const answer = await ask(port, 'GET', { host: 'localhost', origin });
  expect(answer.headers['access-control-allow-origin']).toBe(origin);
  expect(answer.headers['access-control-expose-headers']).toContain('retry-after');
  expect(answer.headers.vary).toBe('origin');
  const missing = await ask(port, 'GET', { host: 'localhost', origin }, '/none');
  expect(missing).toMatchObject({ status: 404, code: 'HTTP_ROUTE' });
  expect(missing.headers['access-control-allow-origin']).toBe(origin);
  const preflight = await ask(port, 'OPTIONS', {
    host: 'localhost',
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization, content-type',
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers['access-control-allow-methods']).toContain('POST');
  expect(preflight.headers['access-control-allow-headers']).toBe('authorization, content-type');
  const other = { host: 'localhost', origin: 'https://evil.example.com' };
  expect((await ask(port, 'GET', other)).headers['access-control-allow-origin']).toBeUndefined();
  const refused = await ask(port, 'OPTIONS', { ...other, 'access-control-request-method': 'POST' });
  expect(refused).toMatchObject({ status: 403, code: 'HTTP_ORIGIN' });
});

it('serves everything below its base path and nothing else', async () => {
  const { port } = await guarded({}, '/infer');
  const at = (path: string) => ask(port, 'GET', { host: 'localhost' }, path);
  expect((await at('/infer/x?a=1')).status).toBe(200);
  expect(await at('/x')).toMatchObject({ status: 404, code: 'HTTP_ROUTE' });
  expect((await at('/inferx')).status).toBe(404);
  const wrong = await ask(port, 'DELETE', { host: 'localhost' }, '/infer/x');
  expect(wrong).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, POST' } });
});
