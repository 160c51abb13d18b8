import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import { loadSettings } from '../../../src/lib/config/load.js';
import { InferError } from '../../../src/lib/core/errors.js';
import { ANYONE, type Caller, type Scope, type TokenLimits } from '../../../src/lib/serve/auth/caller.js';
import { addAboutRoutes } from '../../../src/lib/serve/gateway/about-routes.js';
import { openAdmissions } from '../../../src/lib/serve/gateway/admissions.js';
import type { Gateway, GatewayLimits } from '../../../src/lib/serve/gateway/gateway.js';
import { addJobRoutes } from '../../../src/lib/serve/gateway/job-routes.js';
import { OpenWaits } from '../../../src/lib/serve/gateway/open-waits.js';
import { createApp } from '../../../src/lib/serve/http/app.js';
import { BodyMemory } from '../../../src/lib/serve/http/body-memory.js';
import { type Listening, listen } from '../../../src/lib/serve/http/listen.js';
import { addOipRoutes } from '../../../src/lib/serve/oip/routes.js';
import { addOpenaiRoutes } from '../../../src/lib/serve/openai/routes.js';
import { noteRoutes } from '../../../src/lib/serve/openapi/noted-routes.js';
import { addOpenapiRoutes } from '../../../src/lib/serve/openapi/openapi-routes.js';
import { doubler, poison, slow, writeModel } from '../../support/onnx-builder.js';
import type { TestRedis } from '../../support/redis.js';
import { silentLogger } from '../../support/silent-logger.js';

/** What `fetch` takes as a body. */
export type Body = NonNullable<RequestInit['body']>;

/** Callers by the token that they send; without one everything is allowed, as on a server without tokens. */
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

/** A gateway in this process, and requests to it. */
export class GatewayKit {
  private constructor(
    readonly gateway: Gateway,
    private readonly listening: Listening,
    private readonly drain: AbortController,
    /** Tells callers who wait where their jobs are, as at the end of the grace. */
    readonly leave: () => void,
    readonly bodyMemory: BodyMemory,
    readonly resultMemory: BodyMemory,
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
    const bodyMemory = new BodyMemory(limits.maxBodies);
    const resultMemory = new BodyMemory(limits.maxBodies, 'large results');
    const control = options.control ?? false;
    const shared = { client, loaded, prefix, limits, log: silentLogger(), version: '0.0.0', basePath: '' };
    const admissions = openAdmissions(client.redis, prefix);
    const gateway: Gateway = {
      ...shared,
      control,
      draining: drain.signal,
      leaving: leaving.signal,
      requiredModels: [],
      admissions,
      waits: new OpenWaits(limits.maxOpen),
    };
    const failures: unknown[] = [];
    const app = createApp({
      maxBody: limits.maxBody,
      bodyMemory,
      resultMemory,
      answerMs: limits.maxWaitMs + 30_000,
      connections: 5000,
      onFailure: (error) => void failures.push(error),
    });
    app.addHook('onRequest', async (request) => {
      const { authorization } = request.headers;
      request.caller = callerOf(authorization);
      if (authorization !== undefined) request.holds = () => !kit.revoked.has(request.caller.name);
      const access = request.routeOptions.config.access ?? 'known';
      if (access === 'open' || access === 'optional' || access === 'known') return;
      if (request.caller.allows(access)) return;
      throw new InferError('TOKEN_SCOPE', `this needs the scope ${access}`);
    });
    const routes = noteRoutes(app);
    addAboutRoutes(app, gateway, []);
    addJobRoutes(app, gateway);
    addOipRoutes(app, gateway);
    addOpenaiRoutes(app, gateway);
    addOpenapiRoutes(app, gateway, { routes, tokens: true });
    const listening = await listen(app, { host: '127.0.0.1', port: 0 });
    const leave = () => leaving.abort();
    const kit = new GatewayKit(gateway, listening, drain, leave, bodyMemory, resultMemory);
    kit.failures = failures;
    return kit;
  }

  /** Tokens that were revoked after their requests began. */
  readonly revoked = new Set<string | undefined>();

  /** What no answer may come of: errors that were not expected. */
  failures: unknown[] = [];

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
    await this.gateway.client.close();
  }
}

function callerOf(authorization: string | undefined): Caller {
  if (authorization === undefined) return ANYONE;
  const name = authorization.replace('Bearer ', '');
  const limits = LIMITS[name];
  const allows: Caller['allows'] = (scope) => SCOPES[name]?.includes(scope) ?? false;
  const models = MODELS[name];
  return {
    name,
    allows,
    ...(models === undefined ? {} : { models }),
    ...(limits === undefined ? {} : { limits }),
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
