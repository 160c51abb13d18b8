import { createConfig, lintFromString } from '@redocly/openapi-core';
import type { Gateway } from '../../src/lib/serve/gateway/gateway.js';
import { OpenWaits } from '../../src/lib/serve/gateway/open-waits.js';
import type { App } from '../../src/lib/serve/http/app.js';
import { BodyMemory } from '../../src/lib/serve/http/body-memory.js';
import { Traffic } from '../../src/lib/serve/http/traffic.js';
import { createGatewayApp } from '../../src/lib/serve/serve-gateway.js';
import { silentLogger } from './silent-logger.js';

/**
 * What is wrong with an OpenAPI document: its form, its references, its examples, which have to fit their
 * schemas, and the rules of its linter at their strictest.
 */
export async function openapiProblems(document: unknown): Promise<string[]> {
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: {
      'operation-tag-defined': 'error',
      'parameter-description': 'error',
      'no-invalid-media-type-examples': { severity: 'error', allowAdditionalProperties: false },
      // Clients of Triton ask for /v2 and for /v2/.
      'no-path-trailing-slash': 'off',
    },
  });
  const found = await lintFromString({
    source: JSON.stringify(document, null, 1),
    absoluteRef: 'openapi.json',
    config,
  });
  return found.map(({ ruleId, message, location: [at] = [] }) =>
    `${ruleId} at ${at?.pointer ?? at?.start?.line}: ${message}`.slice(0, 600),
  );
}

/** A gateway that does not listen and has no Redis, with all the routes that there can be. */
export function gatewayWithoutRedis(
  options: { basePath?: string; tokens?: Parameters<typeof createGatewayApp>[1]['tokens'] } = {},
): App {
  const { basePath = '', tokens } = options;
  const gateway = {
    client: { redis: { status: 'end' }, target: {} },
    loaded: { values: {} },
    prefix: 'infer',
    limits: { maxBody: 1024, maxWaitMs: 1000, maxWaiting: undefined, maxBodies: 4096, maxOpen: 100 },
    log: silentLogger(),
    version: '1.2.3',
    basePath,
    control: true,
    draining: new AbortController().signal,
    requiredModels: [],
    admissions: {},
    waits: new OpenWaits(100),
    bodyMemory: new BodyMemory(4096),
    resultMemory: new BodyMemory(4096, 'large results'),
  } as unknown as Gateway;
  return createGatewayApp(gateway, {
    traffic: new Traffic(silentLogger()),
    tokens,
    exporter: { scraper: {}, desired: {} } as never,
    origins: [],
    serverNames: [],
    tls: undefined,
  });
}
