import { InferClient } from '../client/client.js';
import type { LoadedSettings } from '../config/load.js';
import { messageOf } from '../core/errors.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import type { Logger } from '../telemetry/logger.js';
import { askOneToken } from './auth/one-token.js';
import type { Gateway, GatewayLimits } from './gateway/gateway.js';
import { addJobRoutes } from './gateway/job-routes.js';
import { type App, createApp } from './http/app.js';
import { type Listening, listen } from './http/listen.js';
import { addOipRoutes } from './oip/routes.js';
import { addOpenaiRoutes } from './openai/routes.js';

export interface GatewayOptions {
  loaded: LoadedSettings;
  host: string;
  /** 0 takes any free port. */
  port: number;
  basePath: string;
  limits: GatewayLimits;
  control: boolean;
  version: string;
  log: Logger;
}

/** A gateway that listens. */
export interface RunningGateway {
  readonly url: string;
  readonly gateway: Gateway;
  /** Finishes what callers wait for, for so many milliseconds, and ends. */
  close(graceMs: number): Promise<void>;
}

/** Besides the longest wait, what an answer may take. */
const ANSWER_MS = 30_000;
const MOST_CONNECTIONS = 10_000;

/**
 * Opens the client and the server.
 * @throws InferError REDIS_… (69, 77); PORT_IN_USE, PORT_PERMISSION, PORT when it cannot listen.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { loaded, limits, log, version, basePath, control, host, port } = options;
  const { prefix, modelsDir, resultTtl } = loaded.values;
  const redis = connectionSettings(loaded, true);
  const resultRedis = resultSettings(loaded);
  const client = await InferClient.open(
    { prefix, modelsDir, resultTtl, redis, resultRedis, values: 'json' },
    'worker',
  );
  const drain = new AbortController();
  const draining = drain.signal;
  const gateway: Gateway = { client, loaded, prefix, limits, log, version, basePath, control, draining };
  let listening: Listening;
  try {
    const app = createGatewayApp(gateway);
    listening = await listen(app, { host, port });
  } catch (error) {
    await client.close();
    throw error;
  }
  return {
    url: listening.url + basePath,
    gateway,
    close: async (graceMs) => {
      drain.abort();
      await listening.close(graceMs);
      await client.close();
    },
  };
}

/** The server with all its routes, not listening yet. */
export function createGatewayApp(gateway: Gateway): App {
  const { limits, log } = gateway;
  const app = createApp({
    maxBody: limits.maxBody,
    answerMs: limits.maxWaitMs + ANSWER_MS,
    connections: MOST_CONNECTIONS,
    onFailure: (error, { id, route }) =>
      log.error({ requestId: id, route, err: messageOf(error) }, 'a request failed'),
  });
  askOneToken(app, undefined, '');
  addJobRoutes(app, gateway);
  app.get('/healthz', { config: { access: 'open' } }, async () => ({ live: true }));
  addOipRoutes(app, gateway);
  addOpenaiRoutes(app, gateway);
  return app;
}
