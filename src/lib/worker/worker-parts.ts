import type { Clock } from '../core/clock.js';
import type { Arena } from '../model/arena.js';
import type { LoadedModel } from '../model/runner.js';
import type { PreparePool } from '../prepare/prepare-pool.js';
import type { QueueConsumer } from '../queue/broker/consumer-port.js';
import type { DataLayout } from '../queue/layout.js';
import type { Logger } from '../telemetry/logger.js';
import type { ResultLimit } from './admit.js';
import type { TimeLimits } from './limits.js';
import type { RunnerPool } from './runner-pool.js';

export interface WorkerOptions extends TimeLimits {
  id: string;
  name: string;
  version: string;
  gpu: string | null;
  /** Maximum rows in one run; null = learned from run times. */
  maxBatch: number | null;
  /**
   * Longest run in ms that a learned size may cause, that is, the longest time an urgent row may have to
   * wait.
   */
  latencyTargetMs: number;
  batchWindowMs: number;
  /** End when the queues are empty. */
  burst: boolean;
  /** End after this many jobs. */
  maxJobs: number | undefined;
  /** Layouts that it reads [those of this release]. */
  layouts?: readonly DataLayout[] | undefined;
}

export interface WorkerParts {
  /** In order of urgency. */
  consumers: QueueConsumer[];
  /** Opened; its creator stops it. */
  pool: RunnerPool;
  models: LoadedModel[];
  /** Where large inputs are staged for the runners. */
  arena?: Arena | undefined;
  /** Prepares raw rows; its creator stops it. */
  preparers: Pick<PreparePool, 'prepare' | 'size'>;
  resultLimit?: ResultLimit | undefined;
  clock: Clock;
  log: Logger;
  random?: () => number;
}
