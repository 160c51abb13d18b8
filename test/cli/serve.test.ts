import { execFile } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type RunOptions, until, useInfer } from '../support/cli.js';
import { exposedValue, parseExposition } from '../support/exposition.js';
import { useRedis } from '../support/redis.js';
import { startServer } from '../support/serve.js';
import { hasOpenssl, makeCertificates } from '../support/tls.js';

const redis = useRedis();
const infer = useInfer(redis);
const shell = promisify(execFile);

const serve = (args: string[] = [], options: RunOptions = {}) => startServer(infer, args, options);
const create = async (name: string, file: string, ...args: string[]) =>
  (await infer.ask(['token', 'create', name, '--token-file', file, ...args])).stdout.trim();
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('infer serve', () => {
  it('prints its address and settings, and shuts down cleanly', async () => {
    const server = await serve(['--base-path', '/infer/', '--max-waiting', '7']);
    expect(server.stderr).toMatch(/redis +unix:/);
    expect(server.stderr).toMatch(/tokens +none required/);
    expect(server.stderr).toMatch(/limits .*waits of 1m 0s, 7 jobs waiting/);
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/infer$/);
    const index = await server.get('/');
    expect(index.body).toMatchObject({ name: 'infer', version: expect.any(String) });
    expect(index.body.routes).toContainEqual({ method: 'GET', path: '/infer/metrics' });
    expect(await server.get('/healthz')).toEqual({ status: 200, body: { live: true } });
    expect(await server.get('/readyz')).toEqual({ status: 200, body: { ready: true } });
    const missing = await server.get('/none?secret=1');
    expect(missing.body).toMatchObject({ type: '/infer/errors/HTTP_ROUTE', instance: '/infer/none' });
    const explained = await fetch(new URL(String(missing.body.type), server.url));
    expect(await explained.json()).toMatchObject({ code: 'HTTP_ROUTE', status: 404, retryable: false });
    expect((await server.get('/errors/NO_SUCH_CODE')).status).toBe(404);
    expect(await server.stop()).toBe(0);
  });

  it('shows an example input for each model that fits it', async () => {
    const server = await serve();
    expect(server.stderr).toContain('-d \'{"model":"digits","input":[0,0');
    expect(server.stderr).toContain('no worker serves these models yet: infer worker');
    const { body } = await server.get('/examples/digits');
    const file = infer.file('example.json', JSON.stringify(body.input));
    const submitted = await infer.ask(['submit', file, '--model', 'digits']);
    expect(submitted.exitCode).toBe(0);
    expect((await server.get('/examples/none')).status).toBe(404);
    expect(await server.stop()).toBe(0);
  });

  it('needs no token on the loopback address, and does not start without tokens on any other', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
      const run = await infer.run(['serve', '--host', host, '--port', '0', '--json']);
      expect(run.exitCode).toBe(2);
      expect(run.json()).toMatchObject({ error: { code: 'TOKENS_NEEDED' } });
    }
    const file = path.join(infer.dir, 'open.json');
    await create('web', file);
    const server = await serve(['--host', '0.0.0.0', '--token-file', file]);
    expect(server.stderr).toMatch(/tokens +1 token in /);
    expect((await server.get('/metrics').catch(() => ({ status: 0 }))).status).toBe(401);
    expect(await server.stop()).toBe(0);
  });

  it.each([
    [['--base-path', 'infer'], 'USAGE', 2],
    [['--cors', 'app.example.com'], 'USAGE', 2],
    [['--max-bodies', '10mb'], 'USAGE', 2],
    [['--cors', 'https://app.example.com/page'], 'USAGE', 2],
    [['--server-name', 'https://infer'], 'USAGE', 2],
    [['--tls-cert', 'none.pem', '--tls-key', 'none.pem'], 'SERVE_TLS', 78],
    [['--token-file', 'none.json'], 'TOKEN_FILE', 78],
  ])('does not start with %j', async (args, code, exitCode) => {
    const run = await infer.ask(['serve', '--port', '0', '--json', ...args], { cwd: infer.dir });
    expect(run.exitCode).toBe(exitCode);
    expect(run.json()).toMatchObject({ error: { code } });
  });

  it('reloads changed tokens, and keeps them while the file is invalid', async () => {
    const file = path.join(infer.dir, 'rotated.json');
    const token = await create('web', file);
    const server = await serve(['--token-file', file, '--log-level', 'info']);
    const status = async (given: string, where = '/v1/queues') =>
      (await fetch(server.url + where, { headers: bearer(given) })).status;
    expect(await status(token)).toBe(200);
    expect(await status(`${token}x`)).toBe(401);
    // Metrics of all callers need a token with the scope for them.
    const scraper = await create('prometheus', file, '--scope', 'metrics');
    await until(async () => ((await status(scraper, '/metrics')) === 200 ? true : undefined));
    expect(await status(scraper, '/autoscale/realtime')).not.toBe(403);
    for (const where of ['/metrics', '/autoscale/realtime']) expect(await status(token, where)).toBe(403);
    for (const where of ['/v1/queues', '/v1/jobs']) expect(await status(scraper, where)).toBe(403);
    const good = readFileSync(file);
    writeFileSync(file, '{ broken');
    await server.said(/the token file cannot be used/);
    expect(await status(token)).toBe(200);
    writeFileSync(file, good);
    const next = await create('web', file, '--rotate', '--overlap', '1h');
    await until(async () => ((await status(next)) === 200 ? true : undefined));
    expect(await status(token)).toBe(200);
    const revoked = await infer.ask(['token', 'revoke', 'web', '--token-file', file]);
    expect(revoked).toMatchObject({ exitCode: 0, stderr: 'revoked web\n' });
    await until(async () => ((await status(next)) === 401 ? true : undefined));
    expect(await server.stop()).toBe(0);
    for (const secret of [token, next]) expect(server.stderr).not.toContain(secret);
  });

  it('says that it is not ready while no worker serves a required model', async () => {
    const server = await serve(['--require-model', 'digits']);
    expect(await server.get('/readyz')).toMatchObject({ status: 503, body: { code: 'NOT_READY' } });
    const worker = await infer.worker();
    await until(async () => ((await server.get('/readyz')).status === 200 ? true : undefined));
    expect(await worker.stop()).toBe(0);
    expect(await server.stop()).toBe(0);
  });

  it('counts its requests in /metrics, and logs them without their content', async () => {
    const server = await serve([], { env: { INFER_LOG_LEVEL: 'info' } });
    await server.get('/examples/digits?hidden=1');
    await server.get('/nowhere/private');
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const metrics = parseExposition(text);
    const route = { method: 'GET', route: '/examples/:model' };
    expect(exposedValue(metrics, 'infer_http_requests_total', { ...route, status: '200' })).toBe(1);
    expect(exposedValue(metrics, 'infer_http_request_duration_seconds_count', route)).toBe(1);
    expect(exposedValue(metrics, 'infer_http_sent_bytes_total', route)).toBeGreaterThan(100);
    expect(exposedValue(metrics, 'infer_http_errors_total', { code: 'HTTP_ROUTE' })).toBe(1);
    expect(exposedValue(metrics, 'infer_http_open_requests')).toBe(1);
    expect(exposedValue(metrics, 'infer_up')).toBe(1);
    await server.said(/"route":"\(none\)","status":404/);
    expect(server.stderr).toMatch(/"level":"info".*"route":"\/examples\/:model","status":200,"ms":/);
    expect(await server.stop()).toBe(0);
    expect(server.stderr).not.toMatch(/hidden|nowhere|private/);
  });

  it.skipIf(!hasOpenssl())(
    'serves HTTPS with a certificate and its key, and refuses a pair that is none',
    async () => {
      const made = makeCertificates(infer.dir);
      const server = await serve(['--tls-cert', made.cert, '--tls-key', made.key]);
      expect(server.url).toMatch(/^https:/);
      const { stdout } = await shell('curl', ['-s', '--cacert', made.ca, `${server.url}/healthz`]);
      expect(JSON.parse(stdout)).toEqual({ live: true });
      expect(await server.stop()).toBe(0);
      const odd = await infer.ask([
        'serve',
        '--port',
        '0',
        '--tls-cert',
        made.cert,
        '--tls-key',
        made.clientKey,
      ]);
      expect(odd.exitCode).toBe(78);
      expect(odd.stderr).toMatch(/does not belong to the certificate/);
    },
  );
});

describe('infer token', () => {
  it('creates a token that is shown once, lists it without its text, and removes it', async () => {
    const file = path.join(infer.dir, 'kept', 'tokens.json');
    const args = ['--rate', '5', '--burst', '10', '--max-jobs', '7', '--max-waiting', '3', '-m', 'digits'];
    await infer.ask(['token', 'list', '--token-file', file]);
    const missing = await infer.ask(['token', 'create', 'web', '--token-file', file]);
    expect(missing.exitCode).toBe(78);
    const here = path.join(infer.dir, 'tokens.json');
    const made = await infer.ask(['token', 'create', 'web', '--token-file', here, '--json', ...args]);
    const { token, ...rest } = made.json<{ token: string }>();
    expect(token).toMatch(/^inf_[\w-]{32}$/);
    expect(rest).toEqual({ name: 'web', file: here, scopes: ['submit', 'read'], expiresAt: null });
    expect(statSync(here).mode & 0o777).toBe(0o600);
    const listed = await infer.ask(['token', 'list', '--token-file', here, '--json']);
    expect(listed.stdout).not.toContain(token.slice(4));
    expect(listed.json()).toMatchObject({
      tokens: [{ name: 'web', models: ['digits'], limits: { rate: 5, burst: 10, jobs: 7, waiting: 3 } }],
    });
    expect((await infer.ask(['token', 'create', 'web', '--token-file', here])).exitCode).toBe(1);
    expect((await infer.ask(['token', 'revoke', 'none', '--token-file', here])).exitCode).toBe(66);
    expect((await infer.ask(['token', 'create', 'x', '--token-file', here, '--rate', 'fast'])).exitCode).toBe(
      2,
    );
    expect((await infer.ask(['token', 'create', 'x', '--token-file', here, '--burst', '5'])).exitCode).toBe(
      2,
    );
    expect((await infer.ask(['token', 'revoke', 'web', '--token-file', here])).exitCode).toBe(0);
  });

  it('uses a file in the state directory if none is given', async () => {
    const made = await infer.ask([
      'token',
      'create',
      'ops',
      '--scope',
      'read:all,control',
      '--expires',
      '90d',
      '--json',
    ]);
    expect(made.json()).toMatchObject({
      file: path.join(infer.dir, 'state', 'tokens.json'),
      scopes: ['read:all', 'control'],
      expiresAt: expect.stringMatching(/^\d{4}-/),
    });
    const listed = await infer.ask(['token', 'list']);
    expect(listed.stdout).toMatch(/ops\tread:all,control\tall\tnone\t[0-9a-f]{8}\t/);
  });
});
