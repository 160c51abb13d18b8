import { sumWorker } from '../../deployment/live/live-figures.js';
import type { LiveQueue } from '../../deployment/live/live-queues.js';
import type { LiveWorker } from '../../deployment/live/live-workers.js';
import { takeTurns } from '../../deployment/live/rotation.js';
import type { Figures } from './shapes.js';
import { figuresRow, NO_WORK } from './snapshot-rows.js';

/** Workers whose last minute is summed up in one second: each takes a millisecond or less. */
const WORKERS_A_SECOND = 20;
const NEW_WORKERS = 50;

/** The last minute of each worker, summed up in turns. */
export class WorkerMinutes {
  private readonly kept = new Map<string, { row: Figures; readAt: number }>();

  /** Sums up for the workers whose turn it is; returns what is known of each. */
  sum(
    now: number,
    queues: readonly LiveQueue[],
    workers: readonly LiveWorker[],
  ): (worker: string) => Figures {
    const ids = workers.map(({ record }) => record.id);
    const known = new Set(ids);
    for (const id of this.kept.keys()) if (!known.has(id)) this.kept.delete(id);
    const turns = ids.map((key) => ({ key, readAt: this.kept.get(key)?.readAt, cost: 1, weight: 1 }));
    for (const id of takeTurns(turns, now, { budget: WORKERS_A_SECOND, first: NEW_WORKERS })) {
      this.kept.set(id, { row: figuresRow(sumWorker(id, queues)), readAt: now });
    }
    return (worker) => this.kept.get(worker)?.row ?? figuresRow(NO_WORK);
  }
}
