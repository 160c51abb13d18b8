import { Signatures } from '../client/signatures.js';
import type { LoadedSettings } from '../config/load.js';
import { boundOpenLog } from '../core/log-file.js';
import { markOf } from '../core/process-alive.js';
import { part, type Service, Services } from '../core/service.js';
import { surveyModels } from '../model/survey.js';
import { LOG_MAX_BYTES } from '../scale/spawn-worker.js';
import { WorkerFiles } from '../scale/worker-files.js';
import { DASHBOARD_PATH } from '../serve/dashboard/options.js';
import { checkAccess } from '../serve/gateway/access.js';
import { curlLine, modelsToShow } from '../serve/gateway/start-lines.js';
import { workerConfig } from '../worker/worker-config.js';
import { DeploymentWatch } from './deployment-watch.js';
import { checkPort, type GatewayFacts, gatewayError, gatewayPart } from './gateway-part.js';
import { RedisKeep } from './redis-keep.js';
import type { Missing, Tell, UpReady } from './types.js';
import { REDIS } from './types.js';
import { UpFiles } from './up-files.js';
import { WorkerCrew } from './worker-crew.js';
import { workerWants } from './worker-wants.js';

export interface UpOptions {
  loaded: LoadedSettings;
  version: string;
  /** Its own command line, after `up`: an equal one that runs already is the same. */
  argv: readonly string[];
  host: string;
  /** 0 selects a free port. */
  port: number;
  /** Whether callers of the gateway may steer queues and workers. */
  control: boolean;
  /** Whether the gateway serves the dashboard too. */
  dashboard: boolean;
  /** Further arguments of `infer serve`. */
  gatewayArgs: readonly string[];
  /** Variables for settings that were given as flags. */
  env: Readonly<Record<string, string>>;
  tell: Tell;
  /** When fired, parts that are being stopped end at once, and hand their jobs back. */
  hurry: AbortSignal;
}

export interface RunningUp {
  readonly ready: UpReady;
  /** Stops accepting requests, then finishes the jobs that run; Redis keeps running. */
  stop(): Promise<void>;
}

const BOUND_LOG_MS = 30_000;

/**
 * Starts everything: Redis, the gateway and the workers, which are processes of their own and are started
 * again when they end.
 * @param signal ends the start; what was started is stopped again, and this throws its reason.
 * @throws InferError UP_RUNNING, PORT_IN_USE, UP_WORKERS, UP_GATEWAY (69); NO_MODELS, MODELS_DIR (66);
 *   TOKENS_NEEDED (2); CONTROL_TOKENS, TOKEN_FILE (78); of Redis, the configuration, and the gateway.
 */
export async function startUp(options: UpOptions, signal: AbortSignal): Promise<RunningUp> {
  const { loaded, hurry, host, port, version, control, dashboard } = options;
  const { stateDir, prefix, drainTimeout, tokenFile } = loaded.values;
  const gatewayArgs = [
    ...(dashboard ? ['--dashboard'] : []),
    ...(control ? ['--allow-control'] : []),
    ...options.gatewayArgs,
  ];
  const files = new UpFiles(stateDir);
  const workerFiles = new WorkerFiles(stateDir);
  const tell: Tell = (event) => options.tell(event);
  let isUp = false;

  const place = part('lock', async () => takePlace(files, options), leavePlace);
  const redis = part(
    REDIS,
    async (unwanted) => {
      const keep = await RedisKeep.open(loaded, tell, unwanted);
      tell({ event: 'started', part: REDIS, pid: null, detail: keep.target.label });
      return keep;
    },
    (keep) => (isUp ? keep.close() : keep.abandon()),
  );
  const env = () => ({
    ...options.env,
    INFER_REDIS_URL: redis.value.target.url,
    INFER_PREFIX: prefix,
  });
  const wants = part('GPUs', () => workerWants(loaded, workerFiles.host));
  const crew = part('workers', () => {
    const launch = { redisUrl: redis.value.target.url, prefix, env: options.env };
    const { wishes } = wants.value;
    return new WorkerCrew({ files: workerFiles, wishes, launch, drainTimeoutMs: drainTimeout, tell });
  });
  const gateway = part('gateway', () =>
    gatewayPart({
      ...{ host, port, args: gatewayArgs, env: env(), tell },
      ...{ log: files.gatewayLog, drainTimeoutMs: drainTimeout },
    }),
  );
  let facts: GatewayFacts | undefined;
  const processes: Service = {
    name: 'processes',
    start: async (unwanted) => {
      facts = await startBoth(gateway.value, crew.value, unwanted, hurry).catch((error: unknown) => {
        throw gatewayError(error, files.gatewayLog);
      });
    },
    // Its open requests wait for jobs, so the workers go on until it has answered them.
    stop: async () => {
      await gateway.value.stop(hurry);
      await crew.value.stop(hurry);
    },
  };
  const watch = part(
    'watch',
    () => {
      const { client, target } = redis.value;
      const own = new Set(wants.value.wishes.map(({ name }) => `${name}@${workerFiles.host}`));
      return new DeploymentWatch({ client, target, prefix, answers: () => redis.value.answers, own, tell });
    },
    (watching) => watching.stop(),
  );
  const logs = part(
    'size of the logs',
    () => setInterval(() => [files.gatewayLog, files.log].forEach(boundLog), BOUND_LOG_MS),
    (timer) => clearInterval(timer),
  );

  const ready = part('ready', async () => {
    const found = await watch.value.first();
    const told = await factsOf({
      ...{ loaded, redis: redis.value, facts: facts as unknown as GatewayFacts, crew: crew.value, dashboard },
      ...{ files, workerFiles, missing: [...wants.value.missing, ...found] },
    });
    files.write({ ...place.value.record, ready: told });
    watch.value.start();
    return told;
  });

  // Wrong settings and models are reported before anything is started; groups may have their own.
  checkAccess({ host, tokenFile, control, dashboard });
  if ((loaded.values.workers ?? []).length === 0) {
    workerConfig(loaded.values, { burst: false, 'share-gpu': false }, version);
  }
  const services = [place, redis, wants, crew, gateway, processes, logs, watch, ready];
  const all = new Services('infer up', services);
  await all.start(signal);
  isUp = true;
  return { ready: ready.value, stop: () => all.stop() };
}

async function takePlace(files: UpFiles, { host, port, argv }: UpOptions) {
  const lock = await files.lock();
  try {
    await checkPort(host, port, '--port');
    const record = { process: markOf(process.pid), startedAt: Date.now(), argv };
    files.write(record);
    return { files, lock, record };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function leavePlace({ files, lock }: Awaited<ReturnType<typeof takePlace>>): void {
  files.remove();
  lock.release();
}

/** Concurrently: both take seconds. If one of them fails, the other is stopped. */
async function startBoth(
  gateway: ReturnType<typeof gatewayPart>,
  crew: WorkerCrew,
  signal: AbortSignal,
  hurry: AbortSignal,
): Promise<GatewayFacts> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const attempt = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  const [opened, started] = await Promise.allSettled([
    attempt(gateway.open(either)),
    attempt(crew.start(either)),
  ]);
  if (opened.status === 'fulfilled' && started.status === 'fulfilled') {
    gateway.keep();
    return opened.value.facts;
  }
  if (opened.status === 'fulfilled') await gateway.stop(hurry);
  if (started.status === 'fulfilled') await crew.stop(hurry);
  signal.throwIfAborted();
  throw failed.signal.reason;
}

async function factsOf(up: {
  loaded: LoadedSettings;
  redis: RedisKeep;
  facts: GatewayFacts;
  crew: WorkerCrew;
  dashboard: boolean;
  files: UpFiles;
  workerFiles: WorkerFiles;
  missing: Missing[];
}): Promise<UpReady> {
  const { loaded, redis, facts, crew, files, workerFiles } = up;
  const { prefix, modelsDir } = loaded.values;
  const { client, target } = redis;
  const signatures = new Signatures(client, prefix, modelsDir);
  const shown = await modelsToShow({ client: { redis: client, signatures }, prefix, loaded });
  const skipped = surveyModels(modelsDir).skipped.map(({ reason, fix = '' }) => ({
    ...{ code: 'MODEL_SKIPPED', message: reason, fix },
  }));
  const { url, tokens } = facts;
  return {
    pid: process.pid,
    url,
    dashboard: up.dashboard ? `${url}${DASHBOARD_PATH}/` : null,
    tokens,
    redis: { label: target.label, source: target.source, started: redis.started },
    workers: crew.workers,
    models: shown.map((model) => ({
      name: model.name,
      served: model.served,
      curl: curlLine(model, url, tokens !== null),
    })),
    missing: [...up.missing, ...crew.missing, ...skipped],
    logs: { gateway: files.gatewayLog, workers: workerFiles.dir },
  };
}

function boundLog(file: string): void {
  try {
    boundOpenLog(file, LOG_MAX_BYTES);
  } catch {
    // A full disk: the log hardly matters.
  }
}
