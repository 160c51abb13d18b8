import type { QueuePulse, Standing } from '../../../../src/lib/queue/read/queue-pulse.js';
import type { WorkerRecord } from '../../../../src/lib/queue/types.js';
import { WorkFigures } from '../../../../src/lib/queue/work-stats.js';

export const NOW = 1_000_000_000;

export function worker(more: Partial<WorkerRecord> = {}): WorkerRecord {
  return {
    ...{ id: 'w1', name: 'gpu-a', host: 'h', pid: 1, version: '1', startedAt: NOW - 3_600_000, beatAt: NOW },
    ...{ state: 'ready', gpu: null, device: 'cpu', queues: ['scans'], concurrency: 1 },
    models: [{ name: 'ocr', version: 1, batch: 1 }],
    ...{ maxBatch: null, batchWindowMs: 0, active: [], jobsDone: 0, rowsDone: 0, jobsFailed: 0, batches: 0 },
    ...{ rssBytes: 0, loopLagMs: 0 },
    ...more,
  } as WorkerRecord;
}

/** A worker that is in a run of `ocr`. */
export const busyFor = (sinceMs: number, more: Partial<WorkerRecord> = {}): WorkerRecord =>
  worker({ active: [{ id: 'r', queue: 'scans', model: 'ocr', rows: 1, sinceMs, attempt: 1 }], ...more });

/** What a worker did in ten seconds: so many runs, each with so many jobs of one row. */
export function work(runs: number, runMs: number, jobs = 1): WorkFigures {
  const figures = new WorkFigures();
  for (const one of [figures, figures.ofModel('ocr')]) {
    for (let i = 0; i < runs; i++) {
      one.addBatch(jobs, 'idle');
      one.run.add(runMs, jobs);
    }
    one.jobs.completed += runs * jobs;
    one.rows += runs * jobs;
  }
  return figures;
}

/** A queue whose worker `w1` did the same in each ten seconds, with arrivals by priority in each. */
export function pulse(
  more: Partial<QueuePulse> = {},
  each?: () => WorkFigures,
  added: number[] = [],
): QueuePulse {
  return {
    name: 'scans',
    paused: false,
    byPriority: Array.from({ length: 10 }, () => 0),
    unprioritized: 0,
    taken: 0,
    unmatched: {},
    minute: Array.from({ length: 6 }, () => ({
      ms: 10_000,
      work: new Map(each === undefined ? [] : [['w1', each()]]),
      added: Array.from({ length: 10 }, (_, priority) => added[priority] ?? 0),
    })),
    ...more,
  };
}

export function standing(more: Partial<Standing> = {}): Standing {
  return {
    ...{ id: 'j1', queue: 'scans', state: 'waiting', route: 'ocr', rows: 1, priority: 5 },
    ...{ submittedAt: NOW - 1000, tries: 0, rank: 0, score: 0 },
    ...more,
  } as Standing;
}

/** Waiting jobs by priority. */
export function counts(by: Record<number, number>): number[] {
  return Array.from({ length: 10 }, (_, priority) => by[priority] ?? 0);
}
