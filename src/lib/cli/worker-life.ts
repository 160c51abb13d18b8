import type { LoadedSettings } from '../config/load.js';
import { type ConnectionEvent, resolveTarget } from '../redis/connect.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import type { RedisTarget } from '../redis/types.js';
import { createLogger, type Logger } from '../telemetry/logger.js';
import { openWorker, type RunningWorker } from '../worker/host.js';
import type { WorkerConfig } from '../worker/host-config.js';
import { type WorkerFlags, workerConfig } from '../worker/worker-config.js';
import { type ProgressTarget, startSpinner } from './output/progress.js';
import { onShutdown } from './signals.js';

export interface WorkerLife {
  loaded: LoadedSettings;
  flags: WorkerFlags;
  version: string;
  progress: ProgressTarget;
  /** Settings for the next life, after a restart was ordered. */
  fresh(): Promise<LoadedSettings>;
  /** It is ready; once for each opening. */
  onReady(config: WorkerConfig, worker: RunningWorker, target: RedisTarget): void;
  /** A first signal came, and it has so many jobs to finish. */
  onDraining(jobs: number, timeoutMs: number): void;
  /** A second signal came with no worker to end: it is still opening. */
  exit(): void;
}

/**
 * A worker from its opening to its end by signal, order, or having nothing left to do; a restart
 * that was ordered opens it again in this process. Answers its name.
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
  const shutdown = onShutdown({
    drain: () => worker !== undefined && drain(worker),
    leave: () => (worker === undefined ? life.exit() : worker.leave()),
  });
  try {
    for (;;) {
      life.onReady(config, opened.worker, opened.target);
      await opened.worker.run();
      const next = opened.worker.restartWith;
      if (next === undefined || shutdown.signal !== undefined) return config.name;
      worker = undefined;
      config = next;
      loaded = opened.reloaded() ?? loaded;
      log.level = loaded.values.logLevel;
      opened = await open(life, loaded, config, log);
      worker = opened.worker;
      if (shutdown.signal !== undefined) drain(worker);
    }
  } finally {
    shutdown.dispose();
  }
}

async function open(life: WorkerLife, loaded: LoadedSettings, config: WorkerConfig, log: Logger) {
  const settings = connectionSettings(loaded, true);
  const spinner = await startSpinner('connecting and loading models', life.progress);
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
    spinner.stop();
  }
}

function logState(log: Logger, event: ConnectionEvent): void {
  if (event.state === 'lost')
    log.warn({ reason: event.error?.message }, 'Redis is away; work goes on when it is back');
  else if (event.state === 'back') log.info({ downMs: event.downMs }, 'Redis is back');
}
