import { parseWork, WorkFigures } from '../../queue/work-stats.js';
import type { LiveQueue } from './live-queues.js';

/** Work that ended within the last minute, and how much of that minute it covers, ms. */
export interface LiveFigures {
  figures: WorkFigures;
  windowMs: number;
}

/** The work of one worker in all queues, the last minute. Pure. */
export function sumWorker(id: string, queues: readonly LiveQueue[]): LiveFigures {
  const figures = new WorkFigures();
  let windowMs = 1000;
  for (const { work } of queues) {
    for (const { reports } of work.minute) {
      const json = reports[id];
      const own = json === undefined ? undefined : parseWork(json);
      if (own === undefined) continue;
      figures.merge(own);
      windowMs = Math.max(windowMs, work.windowMs);
    }
  }
  return { figures, windowMs };
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
  for (const { snapshot, work } of queues) {
    if (work.total.isEmpty) continue;
    longest = Math.max(longest, work.windowMs);
    total.merge(work.total);
    for (const [model, figures] of work.total.models) {
      const sum = models.get(model) ?? { figures: new WorkFigures(), windowMs: 1000, byQueue: new Map() };
      sum.figures.merge(figures);
      sum.windowMs = Math.max(sum.windowMs, work.windowMs);
      sum.byQueue.set(snapshot.name, { figures, windowMs: work.windowMs });
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
