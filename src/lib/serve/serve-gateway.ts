import { InferClient } from '../client/client.js';
import type { LoadedSettings } from '../config/load.js';
import { messageOf } from '../core/errors.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import type { Logger } from '../telemetry/logger.js';
import { askToken, type KnownTokens } from './auth/ask-token.js';
import { TokenStore } from './auth/token-store.js';
import { DASHBOARD_PATH } from './dashboard/options.js';
import { addDashboardRoutes } from './dashboard/routes.js';
import { readWebFiles, type WebFile } from './dashboard/web-files.js';
import { addAboutRoutes } from './gateway/about-routes.js';
import { refuseOpenDoor } from './gateway/access.js';
import type { Gateway, GatewayLimits } from './gateway/gateway.js';
import { addJobRoutes } from './gateway/job-routes.js';
import { openGateway } from './gateway/open-gateway.js';
import { type App, createApp } from './http/app.js';
import { guard } from './http/guard.js';
import { type Listening, listen } from './http/listen.js';
import { readServerTls, type ServerTls } from './http/server-tls.js';
import { Traffic } from './http/traffic.js';
import { addMetricsRoutes } from './metrics-server.js';
import { addOipRoutes } from './oip/routes.js';
import { addOpenaiRoutes } from './openai/routes.js';
import { noteRoutes } from './openapi/noted-routes.js';
import { addOpenapiRoutes } from './openapi/openapi-routes.js';
import { type Exporter, openExporter } from './serve-metrics.js';

export interface GatewayOptions {
  loaded: LoadedSettings;
  host: string;
  /** 0 selects a free port. */
  port: number;
  basePath: string;
  limits: GatewayLimits;
  control: boolean;
  /** Also serves the dashboard, under `/dashboard`; with `control` it requires a token file. */
  dashboard?: boolean | undefined;
  /** Required if other machines can reach the address. */
  tokenFile: string | undefined;
  /** Origins whose pages may call it. */
  origins: readonly string[];
  /** Names that callers use for this server. */
  serverNames: readonly string[];
  /** Certificate and key as PEM files. */
  tls: { cert: string; key: string } | undefined;
  /** Models that a worker must serve before it reports that it is ready. */
  requiredModels: readonly string[];
  version: string;
  log: Logger;
}

/** A running gateway. */
export interface RunningGateway {
  readonly url: string;
  readonly gateway: Gateway;
  /** Number of valid tokens; undefined if no token is required. */
  readonly tokens: number | undefined;
  /** Number of open requests. */
  readonly underWay: number;
  /**
   * Refuses new work, answers open requests for at most this many milliseconds, and ends. A second call ends
   * it immediately.
   */
  close(graceMs: number): Promise<void>;
}

/** Dependencies of the routes of a gateway. */
interface GatewayParts {
  traffic: Traffic;
  tokens: KnownTokens | undefined;
  exporter: Exporter;
  origins: readonly string[];
  serverNames: readonly string[];
  tls: ServerTls | undefined;
  /** The page of the dashboard, if it is served. */
  web?: ReadonlyMap<string, WebFile> | undefined;
}

/** How long a response may take in addition to the longest wait. */
const ANSWER_MS = 30_000;
const MOST_CONNECTIONS = 10_000;
/** End of the drain time, in which waiting callers get the address of their job. */
const LAST_ANSWERS_MS = 1000;
/** Time for closing what is left after the drain time: connections without a request. */
const HANG_UP_MS = 500;

/**
 * Opens the client and the server.
 * @throws InferError TOKENS_NEEDED (2); CONTROL_TOKENS, TOKEN_FILE, SERVE_TLS (78); DASHBOARD_MISSING (70);
 *   REDIS_… (69, 77); PORT_IN_USE, PORT_PERMISSION, PORT when it cannot listen.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { loaded, limits, log, version, basePath, control, host, port, requiredModels } = options;
  refuseOpenDoor(options);
  const tls = options.tls && readServerTls(options.tls.cert, options.tls.key);
  const web = options.dashboard === true ? readWebFiles() : undefined;
  const drain = new AbortController();
  const leaving = new AbortController();
  const traffic = new Traffic(log);
  const tokens = options.tokenFile === undefined ? undefined : new TokenStore(options.tokenFile, log);
  let client: InferClient | undefined;
  const exporter = openExporter(loaded, {
    queues: undefined,
    timeoutMs: undefined,
    once: false,
    version,
    note: (line) => log.warn(line),
    http: () => traffic.figures(),
    etaErrors: () => client?.etaErrors.figures ?? [],
  });
  const closeParts = async () => {
    tokens?.close();
    await Promise.all([exporter.scraper.close(), client?.close()]);
  };
  try {
    client = await openClient(loaded);
    const gateway = openGateway({
      client,
      loaded,
      limits,
      log,
      version,
      basePath,
      control,
      draining: drain.signal,
      leaving: leaving.signal,
      requiredModels,
    });
    const { origins, serverNames } = options;
    const app = createGatewayApp(gateway, { traffic, tokens, exporter, origins, serverNames, tls, web });
    const listening = await listen(app, { host, port, secure: tls !== undefined });
    return running(gateway, listening, { traffic, tokens, drain, leaving, closeParts });
  } catch (error) {
    await closeParts();
    throw error;
  }
}

function openClient(loaded: LoadedSettings): Promise<InferClient> {
  const { prefix, modelsDir, resultTtl } = loaded.values;
  const redis = connectionSettings(loaded, true);
  const resultRedis = resultSettings(loaded);
  return InferClient.open({ prefix, modelsDir, resultTtl, redis, resultRedis, values: 'json' }, 'worker');
}

function running(
  gateway: Gateway,
  listening: Listening,
  parts: {
    traffic: Traffic;
    tokens: TokenStore | undefined;
    drain: AbortController;
    leaving: AbortController;
    closeParts: () => Promise<void>;
  },
): RunningGateway {
  const { traffic, tokens, drain, leaving, closeParts } = parts;
  let leave: () => void = () => undefined;
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  let closing: Promise<void> | undefined;
  const close = async (graceMs: number) => {
    drain.abort();
    // It still listens: callers that poll get their result, and new work is refused with `Retry-After`.
    await Promise.race([traffic.settled(Math.max(0, graceMs - LAST_ANSWERS_MS)), left]);
    leaving.abort();
    await traffic.settled(LAST_ANSWERS_MS);
    await listening.close(HANG_UP_MS);
    await closeParts();
  };
  return {
    url: listening.url + gateway.basePath,
    gateway,
    get tokens() {
      return tokens?.names.length;
    },
    get underWay() {
      return traffic.underWay;
    },
    close: (graceMs) => {
      if (closing === undefined) closing = close(graceMs);
      else leave();
      return closing;
    },
  };
}

/** The server with all its routes; it does not listen yet. */
export function createGatewayApp(gateway: Gateway, parts: GatewayParts): App {
  const { limits, log, basePath, draining, bodyMemory, resultMemory } = gateway;
  const { traffic, tokens, exporter, origins, serverNames, tls, web } = parts;
  const app = createApp({
    maxBody: limits.maxBody,
    bodyMemory,
    resultMemory,
    answerMs: limits.maxWaitMs + ANSWER_MS,
    connections: MOST_CONNECTIONS,
    basePath,
    tls,
    observer: traffic,
    onFailure: (error, { id, route }) =>
      log.error({ requestId: id, route, err: messageOf(error) }, 'a request failed'),
  });
  app.addHook('onRequest', async (_request, reply) => {
    if (draining.aborted) reply.header('connection', 'close');
  });
  const originHint = 'start it with --cors and the origin of the page';
  guard(app, { origins, originHint, serverNames, tokens: tokens !== undefined });
  askToken(app, tokens);
  const routes = noteRoutes(app);
  addAboutRoutes(app, gateway, routes);
  addJobRoutes(app, gateway);
  addOipRoutes(app, gateway);
  addOpenaiRoutes(app, gateway);
  addMetricsRoutes(app, exporter.scraper, exporter.desired);
  addOpenapiRoutes(app, gateway, { routes, tokens: tokens !== undefined });
  if (web !== undefined)
    addDashboardRoutes(app, gateway, { at: DASHBOARD_PATH, files: web, tokens: tokens !== undefined });
  return app;
}
