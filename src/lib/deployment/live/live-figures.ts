import { WorkFigures } from '../../queue/work-stats.js';
import type { LiveQueue } from './live-queues.js';
import { takeTurns } from './rotation.js';

/** Work that ended within the last minute, and how much of that minute it covers, ms. */
export interface LiveFigures {
  figures: WorkFigures;
  windowMs: number;
}

/** Sums over the queues of a worker are computed for so many workers a second. */
const SUMS_A_SECOND = 100;

/** The work of each worker: its figures in all queues, summed in turns. */
export class WorkerFigures {
  private readonly kept = new Map<string, LiveFigures & { readAt: number }>();

  /** Sums up for the workers whose turn it is. */
  sum(now: number, queues: readonly LiveQueue[], ids: readonly string[]): ReadonlyMap<string, LiveFigures> {
    const known = new Set(ids);
    for (const id of this.kept.keys()) if (!known.has(id)) this.kept.delete(id);
    const turns = ids.map((key) => ({ key, readAt: this.kept.get(key)?.readAt, cost: 1, weight: 1 }));
    for (const id of takeTurns(turns, now, { budget: SUMS_A_SECOND, first: SUMS_A_SECOND })) {
      const figures = new WorkFigures();
      let windowMs = 0;
      for (const { stats } of queues) {
        const own = stats.byWorker.get(id);
        if (own === undefined) continue;
        figures.merge(own);
        windowMs = Math.max(windowMs, stats.windowMs);
      }
      this.kept.set(id, { figures, windowMs: Math.max(1000, windowMs), readAt: now });
    }
    return this.kept;
  }
}

/** One model in all queues. */
export interface ModelFigures extends LiveFigures {
  model: string;
  byQueue: ReadonlyMap<string, LiveFigures>;
}

/** The work of all queues together, and of each model. Pure. */
export function sumQueues(queues: readonly LiveQueue[]): { total: LiveFigures; models: ModelFigures[] } {
  const total = new WorkFigures();
  const models = new Map<
    string,
    { figures: WorkFigures; windowMs: number; byQueue: Map<string, LiveFigures> }
  >();
  let longest = 1000;
  for (const { snapshot, stats } of queues) {
    if (stats.total.isEmpty) continue;
    longest = Math.max(longest, stats.windowMs);
    total.merge(stats.total);
    for (const [model, figures] of stats.total.models) {
      const sum = models.get(model) ?? { figures: new WorkFigures(), windowMs: 1000, byQueue: new Map() };
      sum.figures.merge(figures);
      sum.windowMs = Math.max(sum.windowMs, stats.windowMs);
      sum.byQueue.set(snapshot.name, { figures, windowMs: stats.windowMs });
      models.set(model, sum);
    }
  }
  return {
    total: { figures: total, windowMs: longest },
    models: [...models]
      .map(([model, sum]) => ({ model, ...sum }))
      .sort((a, b) => a.model.localeCompare(b.model)),
  };
}
