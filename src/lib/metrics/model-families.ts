import type { Family } from './family.js';
import { workFamilies } from './work-families.js';
import { BATCH_BOUNDS, RUN_BOUNDS, WAIT_BOUNDS } from './work-sums.js';

const { counter, histogram } = workFamilies(['queue', 'model'], ({ models }) =>
  models.map(({ queue, model, work }) => [{ queue, model }, work] as const),
);

const STATES = ['completed', 'failed', 'expired', 'cancelled'] as const;

/** Work done with each model, by queue. */
export const MODEL_FAMILIES: readonly Family[] = [
  counter(
    'infer_model_jobs_total',
    'Jobs of the model that ended at a worker, by outcome',
    ({ jobs }, labels) => STATES.map((state) => [{ ...labels, state }, jobs[state] ?? 0]),
    'state',
  ),
  counter(
    'infer_job_failures_total',
    'Jobs that failed for good, by error code',
    ({ codes }, labels) => Object.entries(codes).map(([code, count]) => [{ ...labels, code }, count]),
    'code',
  ),
  counter('infer_model_rows_total', 'Rows of completed jobs of the model', ({ rows }, labels) => [
    [labels, rows],
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
