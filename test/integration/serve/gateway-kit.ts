import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import { loadSettings } from '../../../src/lib/config/load.js';
import type { KnownTokens } from '../../../src/lib/serve/auth/ask-token.js';
import { ANYONE, type Scope, type TokenLimits } from '../../../src/lib/serve/auth/caller.js';
import type { Gateway, GatewayLimits } from '../../../src/lib/serve/gateway/gateway.js';
import { openGateway } from '../../../src/lib/serve/gateway/open-gateway.js';
import { type Listening, listen } from '../../../src/lib/serve/http/listen.js';
import { Traffic } from '../../../src/lib/serve/http/traffic.js';
import { createGatewayApp } from '../../../src/lib/serve/serve-gateway.js';
import { openExporter } from '../../../src/lib/serve/serve-metrics.js';
import { createLogger } from '../../../src/lib/telemetry/logger.js';
import { doubler, poison, slow, writeModel } from '../../support/onnx-builder.js';
import type { TestRedis } from '../../support/redis.js';

/** What `fetch` takes as a body. */
export type Body = NonNullable<RequestInit['body']>;

/** The token of requests without one, which may do everything. */
const ANY_TOKEN = 'anyone';

/** Scopes of the other tokens, by name. */
const SCOPES: Readonly<Record<string, readonly Scope[]>> = {
  alice: ['submit', 'read'],
  bob: ['submit', 'read'],
  single: ['submit', 'read'],
  held: ['submit', 'read'],
  limited: ['submit', 'read', 'control'],
  two: ['submit', 'read'],
  auditor: ['read', 'read:all', 'submit'],
  operator: ['submit', 'read', 'read:all', 'control'],
};

/** `single` may have one unfinished job, `held` two open waits. */
const LIMITS: Readonly<Record<string, TokenLimits>> = { single: { jobs: 1 }, held: { open: 2 } };
/** Models that a token may use; all if undefined. */
const MODELS: Readonly<Record<string, readonly string[]>> = {
  limited: ['doubler'],
  two: ['doubler', 'planned'],
};

/** What a server answered. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers have any form
  body: any;
}

/** What a request has besides method and address. */
interface Asked {
  /** Token. */
  as?: string;
  headers?: Record<string, string>;
  json?: unknown;
  body?: Body;
  signal?: AbortSignal;
}

/** The app of `infer serve` in this process, and requests to it. */
export class GatewayKit {
  private constructor(
    readonly gateway: Gateway,
    private readonly listening: Listening,
    private readonly drain: AbortController,
    /** Tells callers who wait where their jobs are, as at the end of the grace. */
    readonly leave: () => void,
    /** Tokens that are valid no longer. */
    readonly revoked: Set<string>,
    /** What no answer may come of: errors that were not expected, as they are logged. */
    readonly failures: readonly string[],
    private readonly closeParts: () => Promise<unknown>,
  ) {}

  static async open(
    redis: TestRedis,
    options: { modelsDir?: string | undefined; limits?: Partial<GatewayLimits>; control?: boolean } = {},
  ): Promise<GatewayKit> {
    const loaded = await loadSettings({
      flags: { redisUrl: redis.url, modelsDir: options.modelsDir },
      env: {},
    });
    const { prefix } = loaded.values;
    const config = { prefix, modelsDir: options.modelsDir, resultTtl: 3600, values: 'json' as const };
    const client = await InferClient.open({ ...config, redis: redis.settings() }, 'worker');
    const drain = new AbortController();
    const leaving = new AbortController();
    const limits = {
      maxBody: 1024 ** 2,
      maxBodies: 64 * 1024 ** 2,
      maxWaitMs: 20_000,
      maxWaiting: undefined,
      maxOpen: 2000,
      ...options.limits,
    };
    const failures: string[] = [];
    const log = createLogger({
      level: 'error',
      stream: { write: (line: string) => void failures.push(line) },
      pretty: false,
    });
    const shared = { client, loaded, limits, log, version: '0.0.0', basePath: '', requiredModels: [] };
    const signals = { draining: drain.signal, leaving: leaving.signal };
    const gateway = openGateway({ ...shared, ...signals, control: options.control ?? false });
    const traffic = new Traffic(log);
    const flags = { queues: undefined, timeoutMs: undefined, once: false, version: '0.0.0' };
    const exporter = openExporter(loaded, { ...flags, note: () => undefined, http: () => traffic.figures() });
    const revoked = new Set<string>();
    const app = createGatewayApp(gateway, {
      ...{ traffic, exporter, tokens: tokensBut(revoked) },
      ...{ origins: [], serverNames: [], tls: undefined },
    });
    app.server.prependListener('request', ({ headers }) => {
      headers.authorization ??= `Bearer ${ANY_TOKEN}`;
    });
    const listening = await listen(app, { host: '127.0.0.1', port: 0 });
    const leave = () => leaving.abort();
    const closeParts = () => Promise.all([client.close(), exporter.scraper.close()]);
    return new GatewayKit(gateway, listening, drain, leave, revoked, failures, closeParts);
  }

  get url(): string {
    return this.listening.url;
  }

  /** @param as token */
  async ask(method: string, address: string, options: Asked = {}): Promise<Answer> {
    const answer = await this.fetch(method, address, options);
    const text = await answer.text();
    const isJson =
      /json/.test(answer.headers.get('content-type') ?? '') &&
      !/ndjson/.test(answer.headers.get('content-type') ?? '');
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      body: isJson && text !== '' ? JSON.parse(text) : undefined,
    };
  }

  fetch(
    method: string,
    address: string,
    { as, headers = {}, json, body, signal }: Asked = {},
  ): Promise<Response> {
    const sent = json === undefined ? body : JSON.stringify(json);
    const type = json === undefined ? {} : { 'content-type': 'application/json' };
    const token = as === undefined ? {} : { authorization: `Bearer ${as}` };
    return fetch(this.url + address, {
      method,
      headers: { ...type, ...token, ...headers },
      ...(sent === undefined ? {} : { body: sent, duplex: 'half' }),
      ...(signal === undefined ? {} : { signal }),
    } as RequestInit);
  }

  startDraining(): void {
    this.drain.abort();
  }

  async close(graceMs = 2000): Promise<void> {
    this.drain.abort();
    await this.listening.close(graceMs);
    await this.closeParts();
  }
}

/** The tokens of `SCOPES` without those that were revoked. */
function tokensBut(revoked: ReadonlySet<string>): KnownTokens {
  return {
    find: (name) => {
      if (name === ANY_TOKEN) return ANYONE;
      if (!Object.hasOwn(SCOPES, name) || revoked.has(name)) return undefined;
      const [models, limits] = [MODELS[name], LIMITS[name]];
      return {
        name,
        allows: (scope) => SCOPES[name]?.includes(scope) ?? false,
        ...(models === undefined ? {} : { models }),
        ...(limits === undefined ? {} : { limits }),
      };
    },
  };
}

/** A gateway for all tests of a file. At its end no error may have come that was not expected. */
export function useGateway(
  redis: TestRedis,
  options: Parameters<typeof GatewayKit.open>[1] & { models?: { dir: string } } = {},
): GatewayKit {
  let kit: GatewayKit | undefined;
  beforeAll(async () => {
    kit = await GatewayKit.open(redis, { ...options, modelsDir: options.models?.dir });
  });
  afterAll(async () => {
    await kit?.close();
    expect(kit?.failures).toEqual([]);
  });
  return new Proxy({} as GatewayKit, {
    get: (_, name) => {
      if (kit === undefined) throw new Error('the gateway runs inside tests and hooks only');
      const value = Reflect.get(kit, name, kit) as unknown;
      return typeof value === 'function' ? value.bind(kit) : value;
    },
  });
}

/** Models of this file: `doubler` (4 numbers), `slow` (x and turns), `poison` (an index of 0..3). */
export function useModels(): { readonly dir: string } {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'infer-models-'));
    writeModel(dir, 'doubler', doubler());
    writeModel(dir, 'slow', slow());
    writeModel(dir, 'poison', poison());
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return {
    get dir() {
      return dir;
    },
  };
}
