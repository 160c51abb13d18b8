import type { InferError } from '../core/errors.js';
import type { Scraper } from '../metrics/scraper.js';
import { type HttpServer, listen } from './listen.js';
import { type RouteTable, textReply } from './routes.js';

export interface MetricsServerOptions {
  host: string;
  /** 0 selects any free port. */
  port: number;
  /** Required by `/metrics` and `more`, never by the probes. */
  token?: string | undefined;
  /** Additional routes. */
  more?: RouteTable | undefined;
  onFailure?: ((error: unknown) => void) | undefined;
}

/**
 * `/metrics` for Prometheus; `/healthz` (this process is running) and `/readyz` (Redis answers) for the
 * supervisor. Health does not depend on Redis: restarting the exporter does not fix Redis.
 * @throws InferError PORT_IN_USE, PORT_PERMISSION or PORT when it cannot listen.
 */
export async function startMetricsServer(
  scraper: Scraper,
  options: MetricsServerOptions,
): Promise<HttpServer> {
  const routes: RouteTable = {
    '/': { handle: async () => textReply(200, `infer metrics: ${Object.keys(routes).slice(1).join(' ')}`) },
    '/metrics': {
      handle: async () => {
        const { contentType, text } = await scraper.text();
        return { status: 200, contentType, body: text };
      },
    },
    '/healthz': { open: true, handle: async () => textReply(200, 'ok') },
    '/readyz': { open: true, handle: () => readiness(scraper) },
    ...options.more,
  };
  return listen({ ...options, routes });
}

async function readiness(scraper: Scraper) {
  try {
    await scraper.ping();
    return textReply(200, 'ok');
  } catch (error) {
    // Only the code: the message names the server, and probes need no token.
    return textReply(503, `Redis cannot be read: ${(error as InferError).code}`);
  }
}
