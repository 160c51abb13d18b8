import type { Family, HistogramFamily, Sample, ValueFamily } from './family.js';
import { BATCH_BOUNDS, type ModelWork, RUN_BOUNDS, WAIT_BOUNDS } from './work-sums.js';

type PairSamples = (pair: ModelWork, labels: { queue: string; model: string }) => readonly Sample[];

function counter(
  name: ValueFamily['name'],
  help: string,
  samples: PairSamples,
  ...more: string[]
): ValueFamily {
  return {
    name,
    help,
    type: 'counter',
    labels: ['queue', 'model', ...more],
    samples: ({ reading }) =>
      (reading?.models ?? []).flatMap((pair) => samples(pair, { queue: pair.queue, model: pair.model })),
  };
}

function histogram(
  name: HistogramFamily['name'],
  help: string,
  figure: 'wait' | 'run' | 'total' | 'batchRows',
  bounds: readonly number[],
): HistogramFamily {
  return {
    name,
    help,
    type: 'histogram',
    labels: ['queue', 'model'],
    bounds,
    series: ({ reading }) =>
      (reading?.models ?? []).map(({ queue, model, work }) => [{ queue, model }, work[figure]] as const),
  };
}

const STATES = ['completed', 'failed', 'expired', 'cancelled'] as const;

/** What workers did with each model, by queue. */
export const MODEL_FAMILIES: readonly Family[] = [
  counter(
    'infer_model_jobs_total',
    'Jobs of the model that ended at a worker, by how they did',
    ({ work }, labels) => STATES.map((state) => [{ ...labels, state }, work.jobs[state] ?? 0]),
    'state',
  ),
  counter(
    'infer_job_failures_total',
    'Jobs that failed for good, by error code',
    ({ work }, labels) => Object.entries(work.codes).map(([code, count]) => [{ ...labels, code }, count]),
    'code',
  ),
  counter('infer_model_rows_total', 'Rows of completed jobs of the model', ({ work }, labels) => [
    [labels, work.rows],
  ]),
  histogram(
    'infer_model_wait_seconds',
    'Time of a job of the model from submit to the start of its run',
    'wait',
    WAIT_BOUNDS,
  ),
  histogram(
    'infer_model_run_seconds',
    'Time of the micro-batches a job of the model was in',
    'run',
    RUN_BOUNDS,
  ),
  histogram(
    'infer_model_job_duration_seconds',
    'Time of a job of the model from submit to its end',
    'total',
    WAIT_BOUNDS,
  ),
  histogram('infer_model_batch_rows', 'Rows of a micro-batch of the model', 'batchRows', BATCH_BOUNDS),
];
