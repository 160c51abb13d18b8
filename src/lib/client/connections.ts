import { loadSettings } from '../config/load.js';
import { bounded, settledWithin, type WaitLimits } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import { formatDuration } from '../core/units.js';
import { packageRoot } from '../model/package-root.js';
import type { ValueForm } from '../model/rows.js';
import { DataWatch } from '../queue/broker/data-watch.js';
import { BrokerResults, type ResultSource, ResultStore } from '../queue/broker/result-store.js';
import type { DataLoss } from '../queue/data-mark.js';
import { type ConnectionSettings, closeClient, connect, resolveTarget } from '../redis/connect.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import { type ServerClock, serverClock } from '../redis/server-clock.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { checkOptions } from './call-options.js';
import { warnOfLoss } from './loss-warning.js';
import type { ConnectOptions } from './types.js';

export interface ClientConfig {
  prefix: string;
  /** Where to look for a model that no worker has published; undefined = nowhere. */
  modelsDir: string | undefined;
  /** Seconds a result is kept unless a submit specifies otherwise. */
  resultTtl: number;
  redis: ConnectionSettings;
  /** Name used in the audit log for calls without `as` [the system's user]. */
  operator?: string | undefined;
  /** How values without a JSON number are returned [exact]. */
  values?: ValueForm | undefined;
  /** A separate Redis for results. */
  resultRedis?: ConnectionSettings | undefined;
  /** Called for each loss of Redis's data seen while a client lives [a process warning]. */
  onDataLost?: ((loss: DataLoss) => void) | undefined;
}

/** By the settings of the environment and configuration file, which `options` overrule. */
export async function configOf(options: ConnectOptions): Promise<ClientConfig> {
  const flags = { redisUrl: options.redis, prefix: options.prefix, resultTtl: options.resultTtl };
  const loaded = await loadSettings({ flags, packageRoot: packageRoot() });
  const { prefix, modelsDir, resultTtl, operator } = loaded.values;
  const redis = connectionSettings(loaded, true);
  return { ...options, prefix, modelsDir, resultTtl, operator, redis, resultRedis: resultSettings(loaded) };
}

/**
 * Opens a client within the caller's limits. One that is open only after that is closed again.
 * @throws InferError REDIS_TIMEOUT (69), TIMEOUT_RANGE (2); the signal's reason.
 */
export async function openWithin<T extends { close(): Promise<void> }>(
  limits: WaitLimits,
  open: () => Promise<T>,
): Promise<T> {
  checkOptions(limits);
  const work = async (over: AbortSignal): Promise<T> => {
    const client = await open();
    if (over.aborted) await client.close();
    return client;
  };
  return bounded(work, limits, () => {
    const given = `(given up after ${formatDuration(limits.timeoutMs ?? 0)})`;
    return new InferError('REDIS_TIMEOUT', `the connection to Redis was not ready in time ${given}`, {
      hint: 'infer doctor tells what Redis answers',
    });
  });
}

/** The connections of a client. */
export interface Connections {
  redis: RedisClient;
  /** Redis's clock: deadlines, delays and ids use it, whatever this host's clock says. */
  clock: ServerClock;
  target: RedisTarget;
  results: ResultSource;
  /** @param patienceMs how long each server may take to close its connection [1000] */
  close(patienceMs?: number): Promise<void>;
}

/** Longest wait for Redis's time; until it arrives, this host's time is used. */
const CLOCK_MS = 1000;

/** @throws InferError REDIS_… (69, 77) naming the server and the fix; then nothing is left open. */
export async function openConnections(
  config: ClientConfig,
  role: 'command' | 'worker',
): Promise<Connections> {
  const { prefix, resultRedis } = config;
  const target = await resolveTarget(config.redis);
  const redis = await connect(target, role, config.redis);
  const clock = serverClock(redis);
  const data = new DataWatch(redis, prefix);
  // A command ends with the outcome of its own work.
  if (role === 'worker') data.onLoss(config.onDataLost ?? warnOfLoss);
  // If Redis falls silent now, the next call reports it, within its own limit.
  await settledWithin(CLOCK_MS, clock.settled());
  if (resultRedis === undefined) {
    return {
      redis,
      clock,
      target,
      results: new BrokerResults(redis, prefix),
      close: (ms) => closeClient(redis, ms),
    };
  }
  try {
    const apart = await connect(await resolveTarget(resultRedis), role, resultRedis);
    const close = async (ms?: number) => {
      await Promise.all([closeClient(apart, ms), closeClient(redis, ms)]);
    };
    return { redis, clock, target, results: new ResultStore(apart, prefix), close };
  } catch (error) {
    await closeClient(redis);
    throw error;
  }
}
