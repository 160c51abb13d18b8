import { messageOf } from '../core/errors.js';
import type { LoadedModel } from '../model/runner.js';
import type { ModelProblem } from '../queue/types.js';
import type { Logger } from '../telemetry/logger.js';
import type { WorkerConfig, WorkerRedis } from './host-config.js';
import { workerServices } from './worker-services.js';

/** A worker that is up: models loaded, registered, not yet taking jobs. */
export interface RunningWorker {
  readonly id: string;
  readonly models: readonly LoadedModel[];
  /** Models that it should serve but cannot. */
  readonly problems: readonly ModelProblem[];
  /** Jobs it holds right now. */
  readonly activeJobs: number;
  /** Set when it ends in order to be reopened: the configuration to use. */
  readonly restartWith: WorkerConfig | undefined;
  /**
   * Takes jobs until drained, left, or finished (burst, max jobs); then releases everything.
   * @throws InferError GPU_LOST (exit 69) when another worker took over its GPU and it left for that reason.
   */
  run(): Promise<void>;
  /** Finishes started jobs and hands back the rest; leaves after `timeoutMs`. */
  drain(timeoutMs: number): void;
  /** Hands everything back and kills the runners, even mid-run. */
  leave(): void;
  /**
   * Changes the number of concurrent runs while it works, without losing a job; returns the resulting number.
   * The threads of each runner stay as they are. @throws InferError why a runner does not start.
   */
  setConcurrency(wanted: number): Promise<number>;
}

/** Opens connections, runners and registration, in that order; on failure nothing is left behind. */
export async function openWorker(
  config: WorkerConfig,
  redis: WorkerRedis,
  log: Logger,
): Promise<RunningWorker> {
  const { id, services, gpu, models, watch, worker, departure, orders } = workerServices(config, redis, log);
  await services.start();
  return {
    id,
    models: models.value,
    problems: watch.value.problems,
    get activeJobs() {
      return worker.value.startedJobs;
    },
    get restartWith() {
      return departure.value.restartWith;
    },
    async run() {
      try {
        orders.value.start();
        await Promise.race([worker.value.run(), departure.value.hasLeft]);
      } finally {
        departure.value.over();
        await services.stop().catch((error: unknown) => {
          log.debug({ reason: messageOf(error) }, 'a part of the worker did not stop cleanly');
        });
      }
      gpu.value?.assertHeld();
    },
    drain: (timeoutMs) => departure.value.drain(timeoutMs),
    leave: () => void departure.value.leave(),
    setConcurrency: (wanted) => worker.value.changes.setConcurrency(wanted),
  };
}
