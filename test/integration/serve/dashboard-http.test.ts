import { request } from 'node:http';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { DASHBOARD_POLICY } from '../../../src/lib/serve/dashboard/security.js';
import { freePort } from '../../support/ports.js';
import { useRedis } from '../../support/redis.js';
import { DashboardKit, useDashboard } from './dashboard-kit.js';

const redis = useRedis();
const open = useDashboard(redis);
const guarded = useDashboard(redis, { tokens: true, control: true });

const opened: DashboardKit[] = [];
const another = async (options: Parameters<typeof DashboardKit.open>[1]): Promise<DashboardKit> => {
  const kit = await DashboardKit.open(redis, options);
  opened.push(kit);
  return kit;
};
afterAll(async () => {
  await Promise.all(opened.map((kit) => kit.close()));
});

/** `fetch` sets Host itself, and follows its own rules for encodings. */
function raw(
  kit: DashboardKit,
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number | undefined; headers: Record<string, unknown>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(kit.running.url + path), { headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () =>
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) }),
      );
    });
    asked.on('error', reject).end();
  });
}

describe('the page', () => {
  it('is served with a policy that allows nothing inline and nothing of others, also with errors', async () => {
    for (const path of ['/', '/app-5KQXZ2TB.js', '/api/about', '/nowhere', '/api/jobs/none']) {
      const { headers } = await open.fetch(path);
      expect(headers.get('content-security-policy'), path).toBe(DASHBOARD_POLICY);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('set-cookie')).toBeNull();
    }
    expect(DASHBOARD_POLICY).not.toContain('unsafe');
  });

  it('keeps files with a hash in their name for good, asks for the others again, and hides source maps', async () => {
    const script = await raw(open, '/app-5KQXZ2TB.js', { 'accept-encoding': 'gzip, br' });
    expect(script.headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'content-encoding': 'br',
      vary: 'accept-encoding',
    });
    expect(brotliDecompressSync(script.body).toString()).toContain('const text');
    expect(script.body.length).toBeLessThan(200);
    const plain = await raw(open, '/app-5KQXZ2TB.js', { 'accept-encoding': 'br;q=0' });
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.headers.etag).not.toBe(script.headers.etag);
    const page = await raw(open, '/', {});
    expect(page.headers['cache-control']).toBe('no-cache');
    const again = await raw(open, '/', { 'if-none-match': `W/${page.headers.etag as string}` });
    expect([again.status, again.body.length]).toEqual([304, 0]);
    expect((await open.ask('/assets/logo.svg')).headers.get('content-type')).toBe('image/svg+xml');
    expect((await open.ask('/app-5KQXZ2TB.js.map')).status).toBe(404);
    expect((await open.ask('/..%2f..%2fetc%2fpasswd')).status).toBe(404);
    expect((await open.ask('/tokens.json')).status).toBe(404);
  });

  it('works below a base path', async () => {
    const below = await another({ basePath: '/infer' });
    expect(below.running.url).toMatch(/\/infer$/);
    expect((await below.ask('/')).body).toContain('<title>infer</title>');
    expect((await below.ask('/api/about')).body.version).toBe('0.0.0');
    // As people type it: the page's relative addresses need the slash.
    const bare = await fetch(below.running.url, { redirect: 'manual' });
    expect([bare.status, bare.headers.get('location')]).toEqual([308, 'infer/']);
    const outside = await fetch(new URL('/api/about', below.running.url));
    expect([outside.status, await outside.json()]).toMatchObject([
      404,
      { code: 'HTTP_ROUTE', hint: 'GET /infer/ is the dashboard' },
    ]);
  });

  it('gives advice to a page of another origin that the dashboard can follow: it has no --cors', async () => {
    const headers = { origin: 'https://attacker.example' };
    const { status, body } = await guarded.ask('/api/actions/preview', { json: {}, as: 'operator', headers });
    expect([status, body.code]).toEqual([403, 'HTTP_ORIGIN']);
    expect(body.hint).toMatch(/page of the dashboard itself/);
    expect(JSON.stringify(body)).not.toContain('cors');
  });

  it('names the fields of a request as they are in it, in its errors', async () => {
    const words = async (address: string, json?: unknown) => {
      const { status, body } = await guarded.ask(address, { json, as: 'operator' });
      return [status, body.code, body.detail, body.hint, body.title];
    };
    const hint = 'write a number with a unit: 500ms, 30s, 5m, 1h or 7d';
    const age = [400, 'FILTER', 'Older than: abc is not a duration', hint, expect.any(String)];
    expect(await words('/api/jobs?olderThan=abc')).toEqual(age);
    const action = { action: 'cancel', filter: { olderThan: 'abc' } };
    expect(await words('/api/actions/preview', action)).toEqual(age);
    const [status, code, , , title] = await words('/api/actions/preview', { action: 'cancel', queue: 'x' });
    expect([status, code]).toEqual([400, 'PARAMETER']);
    expect(title).toBe('A query parameter, or a field of the body, is unknown or has no usable value');
  });

  it('explains the code of an error at the address that the error names, to everyone', async () => {
    const below = await another({ basePath: '/infer', tokens: true });
    for (const kit of [open, below]) {
      const { body } = await kit.ask('/api/nowhere');
      const answer = await fetch(new URL(body.type, kit.running.url));
      expect([answer.status, await answer.json()]).toEqual([
        200,
        expect.objectContaining({ code: body.code, status: body.status, meaning: expect.any(String) }),
      ]);
    }
    const none = await open.ask('/errors/NOPE');
    expect([none.status, none.body.code]).toEqual([404, 'HTTP_ROUTE']);
  });

  it('is not served without the files of the build, and the error says how to make them', async () => {
    await expect(DashboardKit.open(redis, { webDir: '/nonexistent' })).rejects.toMatchObject({
      code: 'DASHBOARD_MISSING',
      hint: 'npm run build',
    });
  });
});

describe('who may look', () => {
  it('is everyone on this machine, unless there are tokens; then a token with the scope read:all is needed', async () => {
    expect((await open.ask('/api/about')).body).toMatchObject({
      tokens: false,
      control: false,
      server: 'dashboard',
      caller: { name: null, read: true, control: false },
    });
    expect((await guarded.ask('/')).status).toBe(200);
    expect((await guarded.ask('/api/about')).body).toMatchObject({ tokens: true, caller: null, redis: '' });
    expect((await guarded.ask('/api/about', { as: 'operator' })).body.caller).toEqual({
      name: 'operator',
      read: true,
      control: true,
    });
    expect((await guarded.ask('/api/about', { as: 'looker' })).body.caller.control).toBe(false);
    expect((await guarded.ask('/api/about', { as: 'inf_wrong' })).body.code).toBe('TOKEN');
    expect((await guarded.ask('/api/stream')).status).toBe(401);
    expect((await guarded.ask('/api/stream', { as: 'web' })).body.code).toBe('TOKEN_SCOPE');
    // A token in the address would be in logs and histories.
    const inQuery = await guarded.ask(`/api/stream?token=${guarded.tokens.operator}`);
    expect(inQuery.status).toBe(401);
    const cookie = await raw(guarded, '/api/stream', { cookie: `token=${guarded.tokens.operator}` });
    expect(cookie.status).toBe(401);
  });

  it('does not include who comes by a name that is not known here', async () => {
    const port = new URL(open.running.url).port;
    const foreign = { host: `attacker.example:${port}` };
    expect((await raw(open, '/', foreign)).status).toBe(421);
    expect((await raw(guarded, '/', foreign)).status).toBe(421);
    const named = await another({ serverNames: ['infer.example.com'] });
    expect((await raw(named, '/', { host: 'infer.example.com' })).status).toBe(200);
  });

  it('needs a token file where others can reach it, and for actions everywhere', async () => {
    const port = await freePort();
    await expect(DashboardKit.open(redis, { host: '0.0.0.0', port })).rejects.toMatchObject({
      code: 'TOKENS_NEEDED',
    });
    await expect(DashboardKit.open(redis, { control: true })).rejects.toMatchObject({
      code: 'CONTROL_TOKENS',
    });
  });
});
