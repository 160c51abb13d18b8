import type { RunnerBounds } from '../config/runner-bounds.js';
import type { RunnerOptions } from '../model/runner.js';
import type { ConnectionEvent, ConnectionSettings } from '../redis/connect.js';
import type { RedisTarget } from '../redis/types.js';

export interface WorkerConfig {
  /** Displayed name; `host-pid` unless the user gives one. */
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
  /** It adjusts concurrency within these bounds, starting at `concurrency`. */
  autoscale?: RunnerBounds | undefined;
  /** How long an unneeded runner is kept, ms. */
  keepAliveMs: number;
  maxBatch: number | null;
  latencyTargetMs: number;
  batchWindowMs: number;
  /** Lifetime of a lock after its last renewal: bounds how late a dead worker's jobs run again. */
  lockMs: number;
  /** Maximum run time of a job in ms; undefined = no limit. */
  timeLimitMs: number | undefined;
  softTimeLimitMs: number | undefined;
  /** Seconds a failed job is kept. */
  failedTtl: number;
  burst: boolean;
  maxJobs: number | undefined;
  /** Let several workers share one GPU. */
  shareGpu: boolean;
  /** Refuse to start if one of the models cannot be loaded. */
  strict?: boolean | undefined;
  /** Maximum duration of a drain ordered through Redis. */
  drainTimeoutMs: number;
}

export interface WorkerRedis {
  target: RedisTarget;
  settings: ConnectionSettings;
  /** A separate Redis for results. */
  results?: ConnectionSettings | undefined;
  onState: (event: ConnectionEvent) => void;
  /**
   * Reads the current settings and models, for a restart ordered through Redis; without it, restart orders
   * are refused.
   */
  reload?: (() => Promise<WorkerConfig>) | undefined;
}
