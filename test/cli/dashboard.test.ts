import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/lib/model/package-root.js';
import { registerQueues } from '../../src/lib/queue/registry.js';
import { useInfer } from '../support/cli.js';
import { useRedis } from '../support/redis.js';
import { startServer } from '../support/serve.js';
import { startWorker, type TestWorker } from '../support/worker.js';

const redis = useRedis();
const infer = useInfer(redis);

/** Starts `infer dashboard` on a free port. */
async function startDashboard(args: readonly string[] = []): Promise<TestWorker & { url: string }> {
  const server = await startWorker(infer.start(['dashboard', '--port', '0', ...args]));
  const [, url = ''] = /^ready (\S+)\/ /m.exec(server.stderr) ?? [];
  return {
    ...server,
    get stderr() {
      return server.stderr;
    },
    url,
  };
}

const tokenFile = () => join(infer.dir, 'tokens.json');

/** What `infer token create` prints in a pipe. */
const tokenOf = async (name: string, scope: string): Promise<string> => {
  const made = await infer.run(['token', 'create', name, '--scope', scope, '--token-file', tokenFile()]);
  expect(made.stdout, made.stderr).toMatch(/^inf_/);
  return made.stdout.trim();
};

describe('infer dashboard', () => {
  it('serves the built page, says where, and ends with 0 on SIGTERM while a page is open', async () => {
    expect(existsSync(join(packageRoot(), 'dist', 'web', 'index.html'))).toBe(true);
    const server = await startDashboard();
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(server.stderr).toContain('control  off (--allow-control)');
    const page = await fetch(`${server.url}/`);
    expect(page.status).toBe(200);
    expect(await page.text()).toMatch(/<script[^>]+src="(?!\/|http)/);
    const about = (await (await fetch(`${server.url}/api/about`)).json()) as { prefix: string };
    expect(about.prefix).toBe('infer');
    const stream = await fetch(`${server.url}/api/stream`);
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    server.signal('SIGTERM');
    expect(await stream.text()).toContain('the server is shutting down');
    expect(await server.exited).toBe(0);
  });

  it('acts for a token with the scope control, and the audit log names it', async () => {
    const token = await tokenOf('ops', 'read:all,control');
    await registerQueues(await redis.client(), 'infer', ['batch']);
    const server = await startDashboard(['--allow-control', '--token-file', tokenFile()]);
    expect(server.stderr).toMatch(/tokens\s+1 token in .*tokens\.json/);
    const post = async (address: string, json: object) => {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(server.url + address, {
        method: 'POST',
        headers,
        body: JSON.stringify(json),
      });
      return (await answer.json()) as { ticket: string; state: string };
    };
    const action = { action: 'pause', queue: 'batch' };
    const { ticket } = await post('/api/actions/preview', action);
    expect(await post('/api/actions', { action, ticket })).toMatchObject({ state: 'ok' });
    const { audit } = (await infer.run(['inspect', 'audit', '--json'])).json<{ audit: object[] }>();
    expect(audit).toMatchObject([{ who: 'ops', action: 'pause', target: 'batch', channel: 'http' }]);
    expect(server.stderr).not.toContain(token);
    await server.stop();
  });

  it.each([
    [['--allow-control'], 78, /actions of the dashboard need a token/],
    [['--host', '0.0.0.0'], 2, /other machines can reach 0\.0\.0\.0/],
    [['--base-path', 'a b'], 2, /is not a path/],
    [['--server-name', 'http://x'], 2, /is not a host name/],
  ])('refuses %j', async (args, code, message) => {
    const run = await infer.run(['dashboard', '--port', '0', ...args]);
    expect(run.exitCode).toBe(code);
    expect(run.stderr).toMatch(message);
  });
});

describe('infer serve --dashboard', () => {
  it('serves the same page at /dashboard, next to the routes of the gateway', async () => {
    const server = await startServer(infer, ['--dashboard', '--base-path', '/infer']);
    expect(server.stderr).toMatch(/dashboard\s+http:\S+\/infer\/dashboard\//);
    const moved = await fetch(`${server.url}/dashboard`, { redirect: 'manual' });
    expect([moved.status, moved.headers.get('location')]).toEqual([308, 'dashboard/']);
    const page = await fetch(`${server.url}/dashboard/`);
    expect(await page.text()).toContain('<!doctype html>');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const about = await server.get('/dashboard/api/about');
    // What the page tells to type for actions, and a flag that was not given is false.
    expect(about.body).toMatchObject({ server: 'serve --dashboard', control: false });
    expect(about.body).toHaveProperty('caller.control', false);
    expect((await server.get('/v1/queues')).status).toBe(200);
    await server.stop();
  });

  it('needs tokens for actions, as infer dashboard does', async () => {
    const run = await infer.run(['serve', '--port', '0', '--dashboard', '--allow-control']);
    expect(run.exitCode).toBe(78);
  });
});
