import type { LoadedSettings } from '../config/load.js';
import { hasTrait } from '../core/error-table.js';
import { type InferError, messageOf } from '../core/errors.js';
import type { EtaErrorFigures } from '../deployment/place/eta-errors.js';
import type { HttpFigures } from '../metrics/family.js';
import { Scraper } from '../metrics/scraper.js';
import { connectionSettings } from '../redis/from-settings.js';
import { DesiredWorkers } from './desired-workers.js';
import { isLoopback } from './http/listen.js';
import { startMetricsServer } from './metrics-server.js';

export interface ScrapeFlags {
  queues: readonly string[] | undefined;
  timeoutMs: number | undefined;
  once: boolean;
  version: string;
  note: (line: string) => void;
  /** Requests, if the exporter is part of a gateway. */
  http?: (() => HttpFigures) | undefined;
  etaErrors?: (() => readonly EtaErrorFigures[]) | undefined;
}

export interface ServeOptions {
  host: string;
  port: number | undefined;
  token: string | undefined;
  note: (line: string) => void;
  warn: (line: string) => void;
  /** Called when it is ready; resolves when it should end. */
  until: () => Promise<void>;
}

/** Less than the 10 s that Prometheus waits by default. */
const LOOK_MS = 4000;
const DEFAULT_PORT = 9464;

export interface Exporter {
  scraper: Scraper;
  desired: DesiredWorkers;
}

/** An exporter with the command's settings; connects only when asked. */
export function openExporter(loaded: LoadedSettings, flags: ScrapeFlags): Exporter {
  const timeoutMs = flags.timeoutMs ?? LOOK_MS;
  const { prefix } = loaded.values;
  const desired = new DesiredWorkers(prefix, (work) => scraper.ask(work));
  const scraper: Scraper = new Scraper({
    // Starts no server of infer's own: a read-only command changes nothing.
    settings: { ...connectionSettings(loaded, false), connectTimeoutMs: Math.max(1, timeoutMs / 2) },
    prefix,
    desired: () => desired.latest(),
    version: flags.version,
    http: flags.http,
    etaErrors: flags.etaErrors,
    queues: flags.queues,
    timeoutMs,
    fromZero: flags.once,
    onState: (error) =>
      flags.note(error === undefined ? 'Redis is back' : `Redis cannot be read: ${error.message}`),
  });
  return { scraper, desired };
}

/**
 * Serves until told to end; returns its URL.
 * @throws InferError PORT_IN_USE, PORT_PERMISSION, PORT; REDIS_… when the Redis settings cannot be right.
 */
export async function serveMetrics(
  { scraper, desired }: Exporter,
  options: ServeOptions,
): Promise<{ url: string }> {
  const { host, port = DEFAULT_PORT, token, note, warn, until } = options;
  try {
    await scraper.read();
  } catch (error) {
    const { code, message } = error as InferError;
    // Other failures may be temporary.
    if (hasTrait(code, 'settings-wrong')) throw error;
    warn(`${message}; /metrics says infer_up 0 until it answers`);
  }
  const onFailure = (error: unknown) => warn(`a request failed: ${messageOf(error)}`);
  const server = await startMetricsServer(scraper, desired, { host, port, token, onFailure });
  if (token === undefined && !isLoopback(host)) {
    warn(`anyone who can reach ${server.url} can read it; INFER_METRICS_TOKEN=… requires a token`);
  }
  note(`ready: ${server.url}/metrics (Ctrl-C ends it)`);
  try {
    await until();
  } finally {
    await server.close();
  }
  return { url: server.url };
}
