import type { RunnerBounds } from '../config/runner-bounds.js';
import type { RunnerOptions } from '../model/runner.js';
import type { ConnectionEvent, ConnectionSettings } from '../redis/connect.js';
import type { RedisTarget } from '../redis/types.js';

export interface WorkerConfig {
  /** Shown name; `host-pid` unless the user gives one. */
  name: string;
  version: string;
  prefix: string;
  /** In order of urgency. */
  queues: readonly string[];
  /** Models to load, by name. */
  models: readonly string[];
  runner: RunnerOptions;
  /** Runner processes. */
  concurrency: number;
  /** It moves between these by itself, from `concurrency` on. */
  autoscale?: RunnerBounds | undefined;
  /** How long a runner that is not needed stays, ms. */
  keepAliveMs: number;
  maxBatch: number | null;
  latencyTargetMs: number;
  batchWindowMs: number;
  /** How long a lock outlives its last renewal: bounds how late a dead worker's jobs run again. */
  lockMs: number;
  /** Most milliseconds of run time a job may have; undefined = no limit. */
  timeLimitMs: number | undefined;
  softTimeLimitMs: number | undefined;
  /** Seconds a failed job is kept. */
  failedTtl: number;
  burst: boolean;
  maxJobs: number | undefined;
  /** Let several workers share one GPU. */
  shareGpu: boolean;
  /** Do not start when one of the models cannot be loaded. */
  strict?: boolean | undefined;
  /** How long a drain that was ordered through Redis may take. */
  drainTimeoutMs: number;
}

export interface WorkerRedis {
  target: RedisTarget;
  settings: ConnectionSettings;
  /** A Redis for results alone. */
  results?: ConnectionSettings | undefined;
  onState: (event: ConnectionEvent) => void;
  /** Settings and models as they are now, for a restart that was ordered; without it none is taken. */
  reload?: (() => Promise<WorkerConfig>) | undefined;
}
