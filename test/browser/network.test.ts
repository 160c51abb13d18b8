import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { expect, it } from 'vitest';
import { describeInBrowser, openView, settled, useBrowser } from '../support/browser.js';
import { documentedBlock, itBehindNginx, useNginx } from '../support/nginx.js';
import { useScene } from './scene.js';

const VIEWS = [
  'overview',
  'queues',
  'workers',
  'models/acts',
  'jobs?state=failed',
  'failures',
  'autoscaler',
  'redis',
  'events',
  'audit',
];

/** Passes every request on as it is, path included, as `proxy_pass http://…/base/;` in `location /base/`. */
async function startProxy(target: string): Promise<{ url: string; paths: string[]; close(): Promise<void> }> {
  const { hostname, port } = new URL(target);
  const paths: string[] = [];
  const server: Server = createServer((asked, answer) => {
    const { method, url: path = '', headers } = asked;
    paths.push(path);
    const passed = request({ hostname, port, method, path, headers }, (given) => {
      answer.writeHead(given.statusCode ?? 502, given.headers);
      given.pipe(answer);
    });
    passed.on('error', () => answer.writableEnded || answer.writeHead(502).end());
    // A tab that is closed ends its stream.
    answer.on('close', () => passed.destroy());
    asked.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: own } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${own}`,
    paths,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describeInBrowser('what the dashboard asks of the network', () => {
  const scene = useScene();
  const browser = useBrowser();
  const startNginx = useNginx();

  it('is its own server and nothing else, on every page', async () => {
    const { page, troubles } = await browser.open();
    const asked = new Set<string>();
    page.on('request', (one) => asked.add(one.url()));
    page.on('websocket', (one) => asked.add(one.url()));
    await page.goto(`${scene.url}#token=${scene.tokens.operator}`);
    await settled(page);
    for (const view of VIEWS) await openView(page, view);
    const foreign = [...asked].filter((url) => !url.startsWith(scene.url) && !url.startsWith('data:'));
    expect(foreign).toEqual([]);
    expect([...asked].some((url) => url.endsWith('/api/stream'))).toBe(true);
    const policy = await page.evaluate(
      `fetch(location.pathname).then((answer) => answer.headers.get('content-security-policy'))`,
    );
    expect(policy).toMatch(/default-src 'none'.*connect-src 'self'/);
    // The policy holds: the browser itself refuses another server.
    const refused = await page.evaluate(`fetch('http://127.0.0.1:1/').then(() => false, () => true)`);
    expect(refused).toBe(true);
    expect(troubles.filter((one) => !one.includes('127.0.0.1:1/'))).toEqual([]);
    await page.context().close();
  });

  /** Every page, an action, and the address without its slash, through a proxy. */
  async function worksBehind(url: string): Promise<void> {
    const { page, troubles } = await browser.open();
    await page.goto(`${url}/infer/#token=${scene.tokens.operator}`);
    await settled(page);
    for (const view of VIEWS) {
      await openView(page, view);
      await page.locator('main h1').waitFor();
    }
    await openView(page, 'queues');
    await page.getByRole('button', { name: 'Pause queue nightly' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause queue' }).click();
    const row = page.getByRole('row', { name: /^nightly/ });
    await row.getByText('paused').waitFor();
    await page.getByRole('button', { name: 'Resume queue nightly' }).click();
    await row.getByText('paused').waitFor({ state: 'detached' });
    expect(troubles).toEqual([]);
    // Without the slash, as people type it.
    await page.goto(`${url}/infer`);
    await settled(page);
    expect(new URL(page.url()).pathname).toBe('/infer/');
    await page.context().close();
  }
  const BELOW = ['--port', '0', '--allow-control', '--base-path', '/infer'];

  it('works under --base-path behind a proxy that strips nothing: live, with actions, nothing outside of it', async () => {
    const { url, process } = await scene.startDashboard(BELOW);
    const proxy = await startProxy(url);
    try {
      await worksBehind(proxy.url);
      expect(proxy.paths.filter((path) => path !== '/infer' && !path.startsWith('/infer/'))).toEqual([]);
    } finally {
      await proxy.close();
      await process.stop();
    }
  });

  itBehindNginx('works behind nginx with the configuration of docs/dashboard.md', async () => {
    const { url, process } = await scene.startDashboard(BELOW);
    try {
      const nginx = await startNginx(documentedBlock('dashboard.md', url));
      await worksBehind(nginx.url);
    } finally {
      await process.stop();
    }
  });
});
