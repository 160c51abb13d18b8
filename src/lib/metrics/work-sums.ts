import { emptyHistogram, type Histogram } from '../core/histogram.js';
import type { Sketch } from '../core/sketch.js';
import type { WorkFigures } from '../queue/work-stats.js';
import { SteadySum } from './steady-sum.js';

/** Upper bounds in seconds: from the time of one row on a warm worker to a backlog of an hour. */
export const WAIT_BOUNDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600,
] as const;
export const RUN_BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;
export const BATCH_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;

/** Work done for one queue by all workers together, since this process's first reading. */
export interface QueueWork {
  jobs: Record<string, number>;
  rows: number;
  batches: Record<string, number>;
  wait: Histogram;
  run: Histogram;
  total: Histogram;
  batchRows: Histogram;
  /** Failed jobs by error code. */
  codes: Record<string, number>;
}

/** Work done for one queue with one model. */
export interface ModelWork {
  queue: string;
  model: string;
  work: QueueWork;
}

/** Name, bounds, and the divisor of a figure: workers count milliseconds. */
const HISTOGRAMS = [
  ['wait', WAIT_BOUNDS, 1000],
  ['run', RUN_BOUNDS, 1000],
  ['total', WAIT_BOUNDS, 1000],
  ['batchRows', BATCH_BOUNDS, 1],
] as const;

export type HistogramName = (typeof HISTOGRAMS)[number][0];

const SEPARATOR = '\n';
/** In place of a model's name: all models. No model has this name. */
const ALL = '';

/** Adds up the workers' reports, each since the worker's own start, so that no counter ever falls. */
export class WorkSums {
  private readonly steady = new SteadySum();

  /**
   * @param work by worker id and queue.
   * @param from for a new worker: count everything it did, or only what comes later.
   */
  update(
    work: ReadonlyMap<string, ReadonlyMap<string, WorkFigures>>,
    now: number,
    from: 'zero' | 'now',
  ): void {
    for (const [worker, queues] of work) {
      const counts = new Map<string, number>();
      for (const [queue, figures] of queues) {
        flatten(queue, ALL, figures, counts);
        for (const [model, own] of figures.models) flatten(queue, model, own, counts);
      }
      this.steady.update(worker, counts, now, from);
    }
    this.steady.forgetOld(now);
  }

  /**
   * The sums of these queues; zeros if nothing has been done yet, so that the first job is an increase too.
   */
  of(queues: readonly string[]): Map<string, QueueWork> {
    const found = new Map(queues.map((queue) => [queue, noWork()]));
    for (const [key, value] of this.steady.entries()) {
      const [queue, model, figure, part] = key.split(SEPARATOR) as [string, string, string, string];
      const work = model === ALL ? found.get(queue) : undefined;
      if (work !== undefined) place(work, figure, part, value);
    }
    return found;
  }

  /**
   * The same by queue and model, in order of their names.
   * @param served pairs that workers currently serve: zeros if nothing has been done yet.
   */
  byModel(queues: readonly string[], served: Iterable<readonly [queue: string, model: string]>): ModelWork[] {
    const wanted = new Set(queues);
    const found = new Map<string, ModelWork>();
    const of = (queue: string, model: string): QueueWork => {
      const key = queue + SEPARATOR + model;
      const known = found.get(key) ?? { queue, model, work: noWork() };
      found.set(key, known);
      return known.work;
    };
    for (const [queue, model] of served) if (wanted.has(queue)) of(queue, model);
    for (const [key, value] of this.steady.entries()) {
      const [queue, model, figure, part] = key.split(SEPARATOR) as [string, string, string, string];
      if (model !== ALL && wanted.has(queue)) place(of(queue, model), figure, part, value);
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
  }
}

function flatten(queue: string, model: string, figures: WorkFigures, into: Map<string, number>): void {
  const put = (figure: string, part: string | number, value: number) =>
    into.set([queue, model, figure, part].join(SEPARATOR), value);
  for (const [kind, count] of Object.entries(figures.jobs)) put('jobs', kind, count);
  for (const [reason, count] of Object.entries(figures.closed)) put('batches', reason, count);
  for (const [code, count] of Object.entries(figures.codes)) put('codes', code, count);
  put('rows', '', figures.rows);
  for (const [name, bounds, unit] of HISTOGRAMS) {
    const sketch: Sketch = figures[name];
    for (const [at, bound] of bounds.entries()) put(name, at, sketch.countUpTo(bound * unit));
    put(name, 'count', sketch.count);
    put(name, 'sum', sketch.sum / unit);
  }
}

function place(work: QueueWork, figure: string, part: string, value: number): void {
  if (figure === 'rows') work.rows = value;
  else if (figure === 'jobs' || figure === 'batches' || figure === 'codes') work[figure][part] = value;
  else {
    const histogram = work[figure as HistogramName];
    if (part === 'count' || part === 'sum') histogram[part] = value;
    else histogram.upTo[Number(part)] = value;
  }
}

function noWork(): QueueWork {
  return {
    jobs: {},
    codes: {},
    rows: 0,
    batches: { full: 0, idle: 0, urgent: 0, window: 0, retry: 0 },
    wait: emptyHistogram(WAIT_BOUNDS),
    run: emptyHistogram(RUN_BOUNDS),
    total: emptyHistogram(WAIT_BOUNDS),
    batchRows: emptyHistogram(BATCH_BOUNDS),
  };
}
