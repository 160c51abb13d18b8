import { InferClient } from '../client/client.js';
import { InferError, messageOf } from '../core/errors.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import { askToken } from './auth/ask-token.js';
import { TokenStore } from './auth/token-store.js';
import { controlNeedsTokens, type DashboardOptions, type RunningDashboard } from './dashboard/options.js';
import { addDashboardRoutes } from './dashboard/routes.js';
import { readWebFiles } from './dashboard/web-files.js';
import { openGateway } from './gateway/open-gateway.js';
import { type App, createApp } from './http/app.js';
import { addErrorRoute } from './http/error-route.js';
import { guard } from './http/guard.js';
import { isLoopback, listen } from './http/listen.js';
import { Traffic } from './http/traffic.js';

/** The largest body is an action. */
const MOST_BODY = 65_536;
const ANSWER_MS = 65_000;
const MOST_CONNECTIONS = 2000;
/** For connections without a request, when the grace is over. */
const HANG_UP_MS = 500;

/**
 * Opens the dashboard as a server of its own: `infer dashboard`.
 * @throws InferError DASHBOARD_MISSING (70); TOKENS_NEEDED (2), CONTROL_TOKENS, TOKEN_FILE (78); REDIS_… (69,
 *   77); PORT_IN_USE, PORT_PERMISSION, PORT when it cannot listen.
 */
export async function startDashboard(options: DashboardOptions): Promise<RunningDashboard> {
  const { loaded, log, version, basePath, control, host, port, serverNames } = options;
  refuseOpenDoor(options);
  const files = readWebFiles(options.webDir);
  const drain = new AbortController();
  const traffic = new Traffic(log);
  const tokens = options.tokenFile === undefined ? undefined : new TokenStore(options.tokenFile, log);
  let client: InferClient | undefined;
  const closeParts = async () => {
    tokens?.close();
    await client?.close();
  };
  try {
    client = await openClient(options);
    // It takes small documents and no waits: its streams have a bound of their own.
    const limits = {
      maxBody: MOST_BODY,
      maxBodies: MOST_BODY * 16,
      maxWaitMs: 0,
      maxWaiting: undefined,
      maxOpen: 0,
    };
    const gateway = openGateway({
      client,
      loaded,
      limits,
      log,
      version,
      basePath,
      control,
      draining: drain.signal,
      leaving: drain.signal,
      requiredModels: [],
    });
    const app = createApp({
      maxBody: MOST_BODY,
      answerMs: ANSWER_MS,
      connections: MOST_CONNECTIONS,
      basePath,
      atRoot: 'is the dashboard',
      observer: traffic,
      onFailure: (error, { id, route }) =>
        log.error({ requestId: id, route, err: messageOf(error) }, 'a request failed'),
    });
    // On this machine the Host is checked with tokens too: a foreign name that leads here is no visitor's.
    const originHint = 'use the page of the dashboard itself; a proxy in front of it must pass Host on';
    guard(app, {
      ...{ origins: [], originHint, serverNames },
      tokens: tokens !== undefined && !isLoopback(host),
    });
    askToken(app, tokens);
    addHealthRoute(app);
    addErrorRoute(app);
    addDashboardRoutes(app, gateway, { at: '', files, tokens: tokens !== undefined });
    const listening = await listen(app, { host, port });
    let closing: Promise<void> | undefined;
    const close = async (graceMs: number) => {
      drain.abort();
      await traffic.settled(graceMs);
      await listening.close(HANG_UP_MS);
      await closeParts();
    };
    const url = listening.url + basePath;
    const { label: redisLabel, source: redisSource } = client.target;
    return {
      url,
      about: { url, redisLabel, redisSource, tokens: tokens?.names.length },
      get underWay() {
        return traffic.underWay;
      },
      close: async (graceMs) => {
        if (closing !== undefined) return listening.close(0);
        closing = close(graceMs);
        return closing;
      },
    };
  } catch (error) {
    await closeParts();
    throw error;
  }
}

function openClient({ loaded }: DashboardOptions): Promise<InferClient> {
  const { prefix, modelsDir, resultTtl } = loaded.values;
  const redis = connectionSettings(loaded, true);
  const resultRedis = resultSettings(loaded);
  return InferClient.open({ prefix, modelsDir, resultTtl, redis, resultRedis, values: 'json' }, 'worker');
}

function addHealthRoute(app: App): void {
  app.get('/healthz', { config: { access: 'open' }, schema: { hide: true } }, async () => ({ live: true }));
}

/** @throws InferError TOKENS_NEEDED (2), CONTROL_TOKENS (78). */
function refuseOpenDoor({
  host,
  tokenFile,
  control,
}: Pick<DashboardOptions, 'host' | 'tokenFile' | 'control'>): void {
  if (tokenFile !== undefined) return;
  if (control) throw controlNeedsTokens();
  if (isLoopback(host)) return;
  throw new InferError('TOKENS_NEEDED', `other machines can reach ${host}, so visitors must have a token`, {
    hint: 'infer token create ops --scope read:all --token-file tokens.json, then add --token-file tokens.json; or listen on 127.0.0.1',
  });
}
