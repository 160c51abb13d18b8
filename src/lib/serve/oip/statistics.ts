import type { Sketch } from '../../core/sketch.js';
import type { WorkFigures } from '../../queue/work-stats.js';
import type { KnownModel } from '../gateway/known-models.js';

const NS_PER_MS = 1_000_000;

/** How often something was done, and how long it took in total. */
interface Duration {
  count: number;
  ns: number;
}

const NONE: Duration = { count: 0, ns: 0 };

const durationOf = ({ count, sum }: Sketch): Duration => ({ count, ns: Math.round(sum * NS_PER_MS) });

/**
 * The figures of one version of a model as Triton's statistics have them, since its workers started: jobs for
 * requests, rows for inferences and micro-batches for executions. Times of input and output are part of
 * `compute_infer`; nothing is cached, and when it ran last is not kept.
 * @param figures of the model in all queues, of the live workers that serve the version
 */
export function statisticsOf({ name, versions }: KnownModel, figures: WorkFigures) {
  const { jobs, rows, batchRows, wait, run, total } = figures;
  return {
    name,
    version: String(versions.at(-1) ?? ''),
    last_inference: 0,
    inference_count: rows,
    execution_count: batchRows.count,
    inference_stats: {
      // Times include failed jobs: there are no separate times for them.
      success: { ...durationOf(total), count: jobs.completed },
      fail: { count: jobs.failed, ns: 0 },
      queue: durationOf(wait),
      compute_input: NONE,
      compute_infer: durationOf(run),
      compute_output: NONE,
      cache_hit: NONE,
      cache_miss: NONE,
    },
    batch_stats: [],
    memory_usage: [],
  };
}
