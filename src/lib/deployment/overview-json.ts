import type { AutoscalerRecord } from '../queue/autoscalers.js';
import type { QueueSnapshot } from '../queue/read/inspector.js';
import type { WorkerRecord } from '../queue/types.js';
import type { Overview, RedisOverview } from './overview.js';
import type { Problem } from './problem.js';
import { findProblems } from './problems.js';

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
