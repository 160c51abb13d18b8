import type { AutoscalerRecord, LapsedAutoscaler } from '../queue/autoscalers.js';
import type { QueueDamage } from '../queue/damage.js';
import type { DataLoss } from '../queue/data-mark.js';
import type { QueueSnapshot } from '../queue/read/inspector.js';
import type { StartingWorker } from '../queue/starting.js';
import type { WorkerRecord } from '../queue/types.js';

/** The Redis server as `inspect` shows it. */
export interface RedisOverview {
  /** Address without credentials. */
  label: string;
  /** Where the address came from; `embedded` is infer's own private server. */
  source: string;
  version: string;
  usedMemoryBytes: number;
  /** 0 = no limit. */
  maxMemoryBytes: number;
  policy: string;
}

/** Everything that `infer inspect` shows, read at one moment. */
export interface Overview {
  /** That moment by Redis's clock, ms since the epoch. */
  at: number;
  /** This machine, by the host name that workers use. */
  host?: string;
  /** How far this machine's clock is ahead of Redis's, ms; negative: behind. */
  clockAheadMs?: number;
  /** Data that Redis lost within the last day, the latest first. */
  losses?: readonly DataLoss[];
  redis: RedisOverview;
  queues: QueueSnapshot[];
  workers: WorkerRecord[];
  /** Workers that are loading their models and take no jobs yet. */
  starting?: readonly StartingWorker[];
  autoscalers: AutoscalerRecord[];
  lapsed: LapsedAutoscaler[];
  /** What is damaged in the queues. */
  damage?: readonly QueueDamage[];
}
