import { answerWithin } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import { MOST_QUEUES, MOST_WORKERS, readSnapshot } from '../deployment/metrics-snapshot.js';
import type { EtaErrorFigures } from '../deployment/place/eta-errors.js';
import { Shown } from '../deployment/shown.js';
import { type ConnectionSettings, closeClient, connect, explain, resolveTarget } from '../redis/connect.js';
import { serverNow } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { exposition, type MetricJson, metricValues } from './exposition.js';
import type { HttpFigures, MetricsView, Reading } from './family.js';
import { WorkSums } from './work-sums.js';

export interface ScraperOptions {
  settings: ConnectionSettings;
  prefix: string;
  version: string;
  /** Only these queues; undefined for all. */
  queues?: readonly string[] | undefined;
  /** Time limit for reading Redis; after it, a scrape answers with `infer_up 0`. */
  timeoutMs: number;
  /** Count work done before this process started: for a single reading, which has no predecessor. */
  fromZero: boolean;
  /** Workers wanted by queue, for a gauge; omitted if nothing knows them. */
  desired?: (() => ReadonlyMap<string, number>) | undefined;
  /** Errors of the ETAs that this process reported, if it reports any. */
  etaErrors?: (() => readonly EtaErrorFigures[]) | undefined;
  /** Requests, if this process is a gateway. */
  http?: (() => HttpFigures) | undefined;
  /** Called when Redis becomes unreachable, with the reason, and when it is back. */
  onState?: ((error: InferError | undefined) => void) | undefined;
}

/** Maximum number of pairs of queue and model: each has about 75 time series. */
const MOST_MODELS = 100;

/** Probes are frequent and wait only briefly. */
const PING_MS = 1000;

/**
 * Reads Redis for scrapers. Concurrent scrapes share one reading; a hanging reading is waited for only until
 * the time limit and never duplicated; a lost connection is re-established by the next reading.
 */
export class Scraper {
  private readonly sums = new WorkSums();
  private readonly shown = {
    queues: new Shown(MOST_QUEUES),
    workers: new Shown(MOST_WORKERS),
    models: new Shown(MOST_MODELS),
  };
  private readonly errors = new Map<string, number>();
  private readonly startedAt = Date.now();
  private scrapes = 0;
  private lastSeconds = 0;
  private looked = false;
  private away = false;
  private client: RedisClient | undefined;
  private opening: Promise<RedisClient> | undefined;
  private look: Promise<Reading> | undefined;
  private closed = false;

  constructor(private readonly options: ScraperOptions) {}

  /** The text of `/metrics`. Always answers: with `infer_up 0` if Redis does not. */
  async text(): Promise<{ contentType: string; text: string }> {
    return exposition(this.view(await this.tryRead()));
  }

  /** One reading, as text. @throws InferError when Redis cannot be read. */
  async freshText(): Promise<string> {
    return (await exposition(this.view(await this.read()))).text;
  }

  /** One reading, as values. @throws InferError when Redis cannot be read. */
  async values(): Promise<MetricJson[]> {
    return metricValues(this.view(await this.read()));
  }

  /** The result of one reading. @throws InferError REDIS_… (69, 77) when Redis cannot be read in time. */
  read(): Promise<Reading> {
    this.look ??= this.counted().finally(() => {
      this.look = undefined;
    });
    return this.look;
  }

  /** @throws InferError when Redis does not answer PING within a second. */
  async ping(): Promise<void> {
    await within(
      PING_MS,
      this.use((client) => client.ping()),
    );
  }

  /**
   * Reads something else over the same connection, with the same time limit.
   * @throws InferError REDIS_… (69, 77) when Redis cannot be read in time.
   */
  async ask<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    try {
      return await within(this.options.timeoutMs, this.use(work));
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    const client = this.client ?? (await this.opening?.catch(() => undefined));
    this.client = undefined;
    if (client !== undefined) await closeClient(client, 200);
  }

  private view(reading: Reading | undefined): MetricsView {
    return {
      exporter: {
        version: this.options.version,
        nodeVersion: process.version,
        startedAt: this.startedAt,
        residentBytes: process.memoryUsage.rss(),
        lastSeconds: this.lastSeconds,
        scrapes: this.scrapes,
        errors: this.errors,
        desired: this.options.desired?.() ?? new Map(),
        etaErrors: this.options.etaErrors?.() ?? [],
        http: this.options.http?.(),
      },
      reading,
    };
  }

  /** One reading that fails silently; `onState` is called. */
  private async tryRead(): Promise<Reading | undefined> {
    try {
      const reading = await this.read();
      this.tell(undefined);
      return reading;
    } catch (error) {
      this.tell(error as InferError);
      return undefined;
    }
  }

  /** Once each time that Redis goes away or comes back, not once per scrape. */
  private tell(error: InferError | undefined): void {
    if (this.away === (error !== undefined)) return;
    this.away = error !== undefined;
    this.options.onState?.(error);
  }

  /** One reading, with its time and failure counted. */
  private async counted(): Promise<Reading> {
    const began = performance.now();
    this.scrapes += 1;
    try {
      return await within(this.options.timeoutMs, this.readOnce());
    } catch (error) {
      const { code } = error as InferError;
      this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
      // What hangs once would hang again: the next reading gets a new connection.
      this.drop();
      throw error;
    } finally {
      this.lastSeconds = (performance.now() - began) / 1000;
    }
  }

  private async readOnce(): Promise<Reading> {
    const { prefix, queues, fromZero } = this.options;
    const snapshot = await this.use((client) =>
      serverNow(client).then((now) => readSnapshot(client, prefix, now, this.shown, queues)),
    );
    // Workers seen in the first reading did their work before it: counted now, it would look like a burst.
    const from = fromZero || this.looked ? 'zero' : 'now';
    this.sums.update(snapshot.work, snapshot.at, from);
    this.looked = true;
    const names = snapshot.queues.map((queue) => queue.name);
    const served = snapshot.workers.flatMap(({ queues, models }) =>
      queues.flatMap((queue) => models.map(({ name }) => [queue, name] as const)),
    );
    const models = this.sums.byModel(names, served);
    const shown = this.shown.models.choose(models, ({ queue, model }) => `${queue}\n${model}`);
    return {
      snapshot,
      work: this.sums.of(names),
      models: shown,
      hiddenModels: models.length - shown.length,
    };
  }

  private async use<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    const client = await this.connected();
    try {
      return await work(client);
    } catch (error) {
      throw explain(client, error);
    }
  }

  private async connected(): Promise<RedisClient> {
    if (this.client?.status === 'ready') return this.client;
    this.drop();
    this.opening ??= this.open().finally(() => {
      this.opening = undefined;
    });
    return this.opening;
  }

  private async open(): Promise<RedisClient> {
    const { settings } = this.options;
    const client = await connect(await resolveTarget(settings), 'command', settings);
    if (this.closed) await closeClient(client, 0);
    else this.client = client;
    return client;
  }

  private drop(): void {
    const { client } = this;
    this.client = undefined;
    if (client !== undefined) void closeClient(client, 0);
  }
}

/** @throws InferError REDIS_TIMEOUT (69) when it takes longer; the work itself runs on. */
function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return answerWithin(ms, work, () => {
    throw new InferError('REDIS_TIMEOUT', `Redis did not answer within ${ms} ms`, {
      hint: 'see what holds it up: redis-cli --latency, redis-cli slowlog get',
    });
  });
}
