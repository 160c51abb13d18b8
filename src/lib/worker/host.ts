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
  /** Models that it should serve and cannot. */
  readonly problems: readonly ModelProblem[];
  /** Jobs it holds right now. */
  readonly activeJobs: number;
  /** Set when it ends in order to be opened again, with this. */
  readonly restartWith: WorkerConfig | undefined;
  /**
   * Takes jobs until drained, left, or (burst, max jobs) done; then frees everything.
   * @throws InferError GPU_LOST (exit 69) when its GPU went to another worker, for which it left.
   */
  run(): Promise<void>;
  /** Finishes what has started, hands back the rest; after `timeoutMs` it leaves. */
  drain(timeoutMs: number): void;
  /** Hands everything back and kills the runners, mid-run or not. */
  leave(): void;
  /**
   * So many runs at a time from now on, while it works and without losing a job; answers the number
   * there is then. The threads of each runner stay as they are. @throws InferError why a runner does
   * not start.
   */
  setConcurrency(wanted: number): Promise<number>;
}

/** Brings up connections, runners and registration, in that order; on failure nothing is left behind. */
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
          log.debug({ reason: messageOf(error) }, 'a part of the worker did not stop in order');
        });
      }
      gpu.value?.assertHeld();
    },
    drain: (timeoutMs) => departure.value.drain(timeoutMs),
    leave: () => void departure.value.leave(),
    setConcurrency: (wanted) => worker.value.changes.setConcurrency(wanted),
  };
}
