import type { LoadedSettings } from '../config/load.js';
import { type ConnectionEvent, resolveTarget } from '../redis/connect.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import type { RedisTarget } from '../redis/types.js';
import { createLogger, type Logger } from '../telemetry/logger.js';
import { openWorker, type RunningWorker } from './host.js';
import type { WorkerConfig } from './host-config.js';
import { type WorkerFlags, workerConfig } from './worker-config.js';

/** The signals that end a worker: the first drains it, the second makes it leave. */
export interface StopOrders {
  /** The first signal received. */
  readonly signal: string | undefined;
  /** Stops listening. */
  dispose(): void;
}

export interface WorkerLife {
  loaded: LoadedSettings;
  flags: WorkerFlags;
  version: string;
  /** Settings for reopening, after a restart was ordered. */
  fresh(): Promise<LoadedSettings>;
  /** Listens for the signals that end it. */
  listen(steps: { drain(): void; leave(): void }): StopOrders;
  /**
   * It is connecting and loading its models; the returned function is called when that has succeeded or
   * failed.
   */
  onOpening(): Promise<() => void>;
  /** It is ready; called once for each opening. */
  onReady(config: WorkerConfig, worker: RunningWorker, target: RedisTarget): void;
  /** A first signal came, and it has this many jobs to finish. */
  onDraining(jobs: number, timeoutMs: number): void;
  /** A second signal came while the worker was still opening. */
  exit(): void;
}

/**
 * Runs a worker from its opening to its end by signal, order, or lack of work; an ordered restart reopens it
 * in this process. Returns its name.
 */
export async function liveAsWorker(life: WorkerLife): Promise<string> {
  let { loaded } = life;
  let config = workerConfig(loaded.values, life.flags, life.version);
  const log = createLogger({ level: loaded.values.logLevel, base: { worker: config.name } });
  let opened = await open(life, loaded, config, log);
  let worker: RunningWorker | undefined = opened.worker;
  const drain = (running: RunningWorker) => {
    life.onDraining(running.activeJobs, config.drainTimeoutMs);
    running.drain(config.drainTimeoutMs);
  };
  const orders = life.listen({
    drain: () => worker !== undefined && drain(worker),
    leave: () => (worker === undefined ? life.exit() : worker.leave()),
  });
  try {
    for (;;) {
      life.onReady(config, opened.worker, opened.target);
      await opened.worker.run();
      const next = opened.worker.restartWith;
      if (next === undefined || orders.signal !== undefined) return config.name;
      worker = undefined;
      config = next;
      loaded = opened.reloaded() ?? loaded;
      log.level = loaded.values.logLevel;
      opened = await open(life, loaded, config, log);
      worker = opened.worker;
      if (orders.signal !== undefined) drain(worker);
    }
  } finally {
    orders.dispose();
  }
}

async function open(life: WorkerLife, loaded: LoadedSettings, config: WorkerConfig, log: Logger) {
  const settings = connectionSettings(loaded, true);
  const stopShowing = await life.onOpening();
  let fresh: LoadedSettings | undefined;
  try {
    const target = await resolveTarget(settings);
    const worker = await openWorker(
      config,
      {
        target,
        settings,
        results: resultSettings(loaded),
        onState: (event) => logState(log, event),
        reload: async () => {
          fresh = await life.fresh();
          return workerConfig(fresh.values, life.flags, life.version);
        },
      },
      log,
    );
    return { worker, target, reloaded: () => fresh };
  } finally {
    stopShowing();
  }
}

function logState(log: Logger, event: ConnectionEvent): void {
  if (event.state === 'lost')
    log.warn({ reason: event.error?.message }, 'Redis is unreachable; work continues when it is back');
  else if (event.state === 'back') log.info({ downMs: event.downMs }, 'Redis is back');
}
