import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { loadSettings } from '../../../src/lib/config/load.js';
import type { Scope } from '../../../src/lib/serve/auth/caller.js';
import { addToken } from '../../../src/lib/serve/auth/token-file.js';
import type { DashboardOptions, RunningDashboard } from '../../../src/lib/serve/dashboard/options.js';
import type { Snapshot } from '../../../src/lib/serve/dashboard/shapes.js';
import { startDashboard } from '../../../src/lib/serve/serve-dashboard.js';
import type { TestRedis } from '../../support/redis.js';
import { silentLogger } from '../../support/silent-logger.js';
import type { ServerEvent } from './sse.js';

const SCOPES: Readonly<Record<string, Scope[]>> = {
  operator: ['read:all', 'control'],
  looker: ['read:all'],
  web: ['submit', 'read'],
};

/** A built page: what it holds does not matter here. */
function writePage(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'infer-web-'));
  mkdirSync(path.join(dir, 'assets'));
  writeFileSync(
    path.join(dir, 'index.html'),
    '<!doctype html><title>infer</title><script src="app.js"></script>',
  );
  writeFileSync(path.join(dir, 'app-5KQXZ2TB.js'), `const text = '${'a'.repeat(4000)}';\n`);
  writeFileSync(path.join(dir, 'app-5KQXZ2TB.js.map'), '{}');
  writeFileSync(path.join(dir, 'assets', 'logo.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  return dir;
}

/** A dashboard in this process, and requests to it. */
export class DashboardKit {
  private constructor(
    readonly running: RunningDashboard,
    readonly webDir: string,
    /** Tokens by name; none on a server without tokens. */
    readonly tokens: Readonly<Record<string, string>>,
  ) {}

  static async open(
    redis: TestRedis,
    {
      tokens = false,
      prefix,
      ...options
    }: Partial<DashboardOptions> & { tokens?: boolean; prefix?: string } = {},
  ): Promise<DashboardKit> {
    const webDir = writePage();
    const file = path.join(webDir, 'tokens.json');
    const known: Record<string, string> = {};
    for (const [name, scopes] of tokens ? Object.entries(SCOPES) : []) {
      known[name] = (await addToken(file, { name, scopes })).token;
    }
    const loaded = await loadSettings({ flags: { redisUrl: redis.url, prefix }, env: {} });
    const running = await startDashboard({
      loaded,
      host: '127.0.0.1',
      port: 0,
      basePath: '',
      control: false,
      tokenFile: tokens ? file : undefined,
      serverNames: [],
      version: '0.0.0',
      log: silentLogger(),
      webDir,
      ...options,
    });
    return new DashboardKit(running, webDir, known);
  }

  /** @param as name of a token */
  fetch(
    address: string,
    { as, json, headers = {}, ...init }: RequestInit & { as?: string; json?: unknown } = {},
  ): Promise<Response> {
    const token = as === undefined ? {} : { authorization: `Bearer ${this.tokens[as] ?? as}` };
    const sent = json === undefined ? {} : { method: 'POST', body: JSON.stringify(json) };
    return fetch(this.running.url + address, {
      ...init,
      ...sent,
      headers: { ...(headers as Record<string, string>), ...token },
    });
  }

  async ask(
    address: string,
    options: RequestInit & { as?: string; json?: unknown } = {},
    // biome-ignore lint/suspicious/noExplicitAny: answers have any form
  ): Promise<{ status: number; headers: Headers; body: any }> {
    const answer = await this.fetch(address, options);
    const text = await answer.text();
    const isJson = /json/.test(answer.headers.get('content-type') ?? '');
    return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
  }

  /** Events of `api/stream`, until the caller returns or the stream ends. */
  async *events(options: { as?: string } = {}): AsyncGenerator<ServerEvent> {
    const over = new AbortController();
    const answer = await this.fetch('/api/stream', { ...options, signal: over.signal });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    try {
      let text = '';
      const decoder = new TextDecoder();
      for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
        text += decoder.decode(piece, { stream: true });
        for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
          const block = text.slice(0, at);
          text = text.slice(at + 2);
          const event = /^event: (.*)$/m.exec(block)?.[1];
          const data = /^data: (.*)$/m.exec(block)?.[1];
          if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) };
        }
      }
    } finally {
      over.abort();
    }
  }

  /** The first snapshot for which this holds. */
  async snapshot(
    isMeant: (snapshot: Snapshot) => boolean = () => true,
    options: { as?: string } = {},
  ): Promise<Snapshot> {
    for await (const { event, data } of this.events(options)) {
      if (event === 'snapshot' && isMeant(data as Snapshot)) return data as Snapshot;
    }
    throw new Error('the stream ended before such a snapshot came');
  }

  async close(): Promise<void> {
    await this.running.close(2000);
    rmSync(this.webDir, { recursive: true, force: true });
  }
}

/** A dashboard for all tests of a file. */
export function useDashboard(
  redis: TestRedis,
  options: Parameters<typeof DashboardKit.open>[1] = {},
): DashboardKit {
  let kit: DashboardKit | undefined;
  beforeAll(async () => {
    kit = await DashboardKit.open(redis, options);
  });
  afterAll(() => kit?.close());
  return new Proxy({} as DashboardKit, {
    get: (_, name) => {
      if (kit === undefined) throw new Error('the dashboard runs inside tests and hooks only');
      const value = Reflect.get(kit, name, kit) as unknown;
      return typeof value === 'function' ? value.bind(kit) : value;
    },
  });
}
