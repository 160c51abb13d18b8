import type { InferError } from '../core/errors.js';
import type { Scraper } from '../metrics/scraper.js';
import { askOneToken } from './auth/one-token.js';
import type { DesiredWorkers } from './desired-workers.js';
import { AUTOSCALE_DOC, METRICS_DOC } from './gateway/about-docs.js';
import { type App, createApp } from './http/app.js';
import { type Listening, listen } from './http/listen.js';

export interface MetricsServerOptions {
  host: string;
  /** 0 selects any free port. */
  port: number;
  /** Required by every route except the probes. */
  token?: string | undefined;
  onFailure: (error: unknown) => void;
}

/** Longest time for any response; Prometheus gives up after 10 s by default. */
const ANSWER_MS = 9000;
const MOST_CONNECTIONS = 256;
/** Its routes accept no bodies. */
const MOST_BODY = 1024;

/**
 * `/metrics` for Prometheus, `/autoscale/<queue>` for KEDA; `/healthz` (this process is running) and `/readyz`
 * (Redis answers) for the supervisor. Health does not depend on Redis: restarting the exporter does not fix Redis.
 * @throws InferError PORT_IN_USE, PORT_PERMISSION or PORT when it cannot listen.
 */
export async function startMetricsServer(
  scraper: Scraper,
  desired: DesiredWorkers,
  { host, port, token, onFailure }: MetricsServerOptions,
): Promise<Listening> {
  const app = createApp({
    maxBody: MOST_BODY,
    answerMs: ANSWER_MS,
    connections: MOST_CONNECTIONS,
    onFailure,
  });
  askOneToken(app, token, 'INFER_METRICS_TOKEN');
  addIndex(app);
  addMetricsRoutes(app, scraper, desired);
  addProbes(app, scraper);
  return listen(app, { host, port });
}

function addIndex(app: App): void {
  app.get('/', async (_request, reply) =>
    reply
      .type('text/plain; charset=utf-8')
      .send('infer metrics: /metrics /autoscale/<queue> /healthz /readyz\n'),
  );
}

/** `/metrics` and `/autoscale/<queue>`, also for a server with other routes. */
export function addMetricsRoutes(app: App, scraper: Scraper, desired: DesiredWorkers): void {
  app.get('/metrics', { config: { access: 'metrics', doc: METRICS_DOC } }, async (_request, reply) => {
    const { contentType, text } = await scraper.text();
    return reply.type(contentType).send(text);
  });
  app.get('/autoscale/*', { config: { access: 'metrics', doc: AUTOSCALE_DOC } }, async (request, reply) => {
    const { '*': queues } = request.params as { '*': string };
    const { searchParams } = new URL(request.url, 'http://host');
    const { status, body } = await desired.handle(queues, searchParams);
    return reply.code(status).send(body);
  });
}

function addProbes(app: App, scraper: Scraper): void {
  app.get('/healthz', { config: { access: 'open' } }, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send('ok\n'),
  );
  app.get('/readyz', { config: { access: 'open' } }, async (_request, reply) => {
    const problem = await unready(scraper);
    return reply
      .code(problem === undefined ? 200 : 503)
      .type('text/plain; charset=utf-8')
      .send(`${problem ?? 'ok'}\n`);
  });
}

/** Why Redis cannot be read. */
async function unready(scraper: Scraper): Promise<string | undefined> {
  try {
    await scraper.ping();
    return undefined;
  } catch (error) {
    // Only the code: the message names the server, and probes need no token.
    return `Redis cannot be read: ${(error as InferError).code}`;
  }
}
