import type { AutoscalerRecord, LapsedAutoscaler } from '../queue/autoscalers.js';
import type { QueueDamage } from '../queue/damage.js';
import type { DataLoss } from '../queue/data-mark.js';
import type { QueueSnapshot } from '../queue/read/inspector.js';
import type { StartingWorker } from '../queue/starting.js';
import type { WorkerRecord } from '../queue/types.js';
import { findProblems, type Problem } from './problems.js';

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

/** Everything `infer inspect` shows, read at one moment. */
export interface Overview {
  /** That moment by Redis's clock, ms since the epoch. */
  at: number;
  /** This machine, as workers name it. */
  host?: string;
  /** How far this machine's clock is ahead of Redis's, ms; negative: behind. */
  clockAheadMs?: number;
  /** Data that Redis lost within the last day, the latest first. */
  losses?: readonly DataLoss[];
  redis: RedisOverview;
  queues: QueueSnapshot[];
  workers: WorkerRecord[];
  /** Workers that load their models, and take no jobs yet. */
  starting?: readonly StartingWorker[];
  autoscalers: AutoscalerRecord[];
  lapsed: LapsedAutoscaler[];
  /** What is damaged of the queues. */
  damage?: readonly QueueDamage[];
}

/** The documented JSON of `inspect`; other tools read it, so fields are only ever added. */
export interface OverviewJson {
  redis: RedisOverview;
  queues: (Omit<QueueSnapshot, 'oldestMs'> & { oldestMs: number | null })[];
  workers: WorkerRecord[];
  autoscalers: AutoscalerRecord[];
  problems: Problem[];
}

export function overviewJson(overview: Overview): OverviewJson {
  return {
    redis: overview.redis,
    queues: overview.queues.map((queue) => ({
      name: queue.name,
      waiting: queue.waiting,
      active: queue.active,
      delayed: queue.delayed,
      failed: queue.failed,
      completed: queue.completed,
      paused: queue.paused,
      oldestMs: queue.oldestMs ?? null,
      ratePerSecond: queue.ratePerSecond,
      etaMs: queue.etaMs,
      byPriority: queue.byPriority,
      expired: queue.expired,
      cancelled: queue.cancelled,
      arrivalsPerSecond: queue.arrivalsPerSecond,
      growing: queue.growing,
      unmatched: queue.unmatched,
    })),
    workers: overview.workers,
    autoscalers: overview.autoscalers,
    problems: findProblems(overview),
  };
}
