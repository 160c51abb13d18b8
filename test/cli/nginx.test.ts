import { request } from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { useInfer } from '../support/cli.js';
import { documentedBlock, itBehindNginx, type Nginx, useNginx } from '../support/nginx.js';
import { useRedis } from '../support/redis.js';
import { startServer } from '../support/serve.js';
import { startWorker } from '../support/worker.js';

const redis = useRedis();
const infer = useInfer(redis);
const start = useNginx();

/** The name in the documents. */
const NAME = 'infer.example.com';
const tokens = () => path.join(infer.dir, 'tokens.json');
let token: string;
beforeAll(async () => {
  const scopes = ['--scope', 'submit', '--scope', 'read:all', '--scope', 'control'];
  const made = await infer.run(['token', 'create', 'ops', ...scopes, '--token-file', tokens()]);
  token = made.stdout.trim();
});

interface Asking {
  method?: string;
  host?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** A request through the proxy, as a browser on the page of `host` sends it: `fetch` sets Host itself. */
function ask(
  nginx: Nginx,
  address: string,
  { method = 'GET', host = NAME, headers = {}, body }: Asking = {},
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    const all = { host, authorization: `Bearer ${token}`, ...headers };
    const asked = request(
      { host: '127.0.0.1', port: nginx.port, path: address, method, headers: all },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
      },
    );
    asked.on('error', reject).end(body);
  });
}

/** The events of a stream, as they arrive; it is not over meanwhile. */
async function* eventsOf(nginx: Nginx, address: string): AsyncGenerator<string> {
  const over = new AbortController();
  const answer = await fetch(nginx.url + address, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    signal: over.signal,
  });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  let text = '';
  try {
    for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(piece).toString();
      for (const [, name] of text.matchAll(/^event: (.*)\ndata: .*\n\n/gm)) yield name as string;
      text = text.slice(text.lastIndexOf('\n\n') + 2);
    }
  } finally {
    over.abort();
  }
}

describe('behind nginx, with the configuration of the documents, under a base path', () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterAll(() => Promise.all(ends.map((end) => end())));

  itBehindNginx(
    'the dashboard has its page, its files, its actions, and a stream that is not held back',
    async () => {
      const args = ['--port', '0', '--base-path', '/infer', '--server-name', NAME];
      const server = await startWorker(
        infer.start(['dashboard', ...args, '--allow-control', '--token-file', tokens()]),
      );
      ends.push(server.stop);
      const [, url = ''] = /^ready (\S+)\/ /m.exec(server.stderr) ?? [];
      const nginx = await start(documentedBlock('dashboard.md', url));

      const page = await ask(nginx, '/infer/');
      expect(page.status).toBe(200);
      const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name as string);
      expect(files.length).toBeGreaterThan(0);
      for (const file of files) {
        const address = new URL(file, 'http://x/infer/').pathname;
        expect(address).toMatch(/^\/infer\//);
        expect((await ask(nginx, address)).status, address).toBe(200);
      }
      // Without its slash, as people type it.
      const bare = await ask(nginx, '/infer');
      expect([301, 308]).toContain(bare.status);
      expect(new URL(String(bare.headers.location), 'http://x/infer').pathname).toBe('/infer/');
      // A name that leads here and is not one of this server, and a page of another origin.
      expect((await ask(nginx, '/infer/', { host: 'attacker.example' })).status).toBe(421);
      const action = JSON.stringify({ action: 'pause', queue: 'batch' });
      const post = (origin: string) =>
        ask(nginx, '/infer/api/actions/preview', {
          method: 'POST',
          headers: { origin, 'content-type': 'application/json' },
          body: action,
        });
      expect((await post('https://attacker.example')).status).toBe(403);
      const allowed = await post(`https://${NAME}`);
      expect(JSON.parse(allowed.text)).toMatchObject({ code: 'QUEUE_UNKNOWN' });
      // An error leads to its explanation.
      const { type } = JSON.parse(allowed.text) as { type: string };
      expect((await ask(nginx, type)).status).toBe(200);

      const seen: string[] = [];
      for await (const event of eventsOf(nginx, '/infer/api/stream')) {
        seen.push(event);
        if (seen.filter((name) => name === 'snapshot').length === 3) break;
      }
      expect(seen.slice(0, 2)).toEqual(['recent', 'snapshot']);
    },
  );

  itBehindNginx('the gateway takes large and streamed bodies, and passes each event on at once', async () => {
    const server = await startServer(infer, [
      ...['--base-path', '/infer', '--server-name', NAME, '--token-file', tokens(), '--dashboard'],
    ]);
    ends.push(server.stop);
    const nginx = await start(documentedBlock('serve.md', server.url));
    const json = { 'content-type': 'application/json' };

    expect((await ask(nginx, '/infer/healthz')).status).toBe(200);
    expect((await ask(nginx, '/infer/dashboard/')).text).toContain('<script');
    // 2 MB are more than nginx takes unless it is told to.
    const rows = Array.from({ length: 64 }, () => 0);
    const input = Array.from({ length: 15_000 }, () => rows);
    const submitted = await ask(nginx, '/infer/v1/jobs', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ model: 'digits', input, queue: 'waiting', id: 'large' }),
    });
    expect([submitted.status, submitted.headers.location]).toEqual([202, '/infer/v1/jobs/large']);
    // It waits, so its stream is open and has little to say: a proxy that fills a buffer first would say nothing.
    for await (const event of eventsOf(nginx, '/infer/v1/jobs/large/events')) {
      expect(event).toBe('state');
      break;
    }
    const ndjson = `${JSON.stringify(rows)}\n`.repeat(20_000);
    const streamed = await ask(nginx, '/infer/v1/jobs?model=digits&queue=waiting', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' },
      body: ndjson,
    });
    expect(streamed.status, streamed.text).toBe(202);
    expect(JSON.parse(streamed.text)).toMatchObject({ rows: 20_000 });
  });
});
