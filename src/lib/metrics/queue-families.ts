import type { QueueReading } from '../deployment/metrics-snapshot.js';
import { splitRoute } from '../queue/layout.js';
import { servingWorkers } from '../queue/serving.js';
import { startersOf } from '../queue/starting.js';
import type { Family, Sample, ValueFamily } from './family.js';
import { workFamilies } from './work-families.js';
import { BATCH_BOUNDS, type QueueWork, RUN_BOUNDS, WAIT_BOUNDS } from './work-sums.js';

const STATES = ['waiting', 'delayed', 'active', 'completed', 'failed', 'expired', 'cancelled'] as const;

/** Maximum labels of a queue for unserved jobs: submitters choose model names, and labels are kept long. */
const MOST_UNSERVED = 50;

type QueueSamples = (queue: QueueReading, labels: { queue: string }) => readonly Sample[];

function gauge(
  name: ValueFamily['name'],
  help: string,
  samples: QueueSamples,
  ...more: string[]
): ValueFamily {
  return { name, help, type: 'gauge', labels: ['queue', ...more], samples: ofQueues(samples) };
}

const ofQueues =
  (samples: QueueSamples): ValueFamily['samples'] =>
  ({ reading }) =>
    (reading?.snapshot.queues ?? []).flatMap((queue) => samples(queue, { queue: queue.name }));

const { counter, histogram } = workFamilies(['queue'], ({ work }) =>
  [...work].map(([queue, done]) => [{ queue }, done] as const),
);

const jobsOf =
  (kind: string) =>
  ({ jobs }: QueueWork, labels: { queue: string }): Sample[] => [[labels, jobs[kind] ?? 0]];

/** Jobs by model, most first. Layouts of a model are added up, and models over the limit are `(other)`. */
function unservedByModel({ unserved }: QueueReading): [model: string, jobs: number][] {
  const jobsOf = new Map<string, number>();
  for (const { route, jobs } of unserved) {
    const model = splitRoute(route).route;
    jobsOf.set(model, (jobsOf.get(model) ?? 0) + jobs);
  }
  const models = [...jobsOf].sort(([, a], [, b]) => b - a);
  const rest = models.slice(MOST_UNSERVED).reduce((sum, [, jobs]) => sum + jobs, 0);
  return rest === 0 ? models : [...models.slice(0, MOST_UNSERVED), ['(other)', rest]];
}

/** Depth and age from Redis, and the work done for each queue. */
export const QUEUE_FAMILIES: readonly Family[] = [
  gauge(
    'infer_queue_jobs',
    'Jobs by state; ended jobs only as long as their records are kept',
    (queue, labels) => STATES.map((state) => [{ ...labels, state }, queue[state]]),
    'state',
  ),
  gauge(
    'infer_queue_waiting_jobs',
    'Waiting jobs by priority; 9 is the most urgent',
    (queue, labels) =>
      queue.byPriority.map((count, priority) => [{ ...labels, priority: String(priority) }, count]),
    'priority',
  ),
  gauge(
    'infer_queue_oldest_waiting_age_seconds',
    'How long the oldest waiting job has waited; 0 when none waits',
    (queue, labels) => [[labels, (queue.oldestMs ?? 0) / 1000]],
  ),
  gauge('infer_queue_paused', 'Whether the queue is paused: 1 or 0', (queue, labels) => [
    [labels, queue.paused ? 1 : 0],
  ]),
  {
    name: 'infer_queue_workers',
    help: 'Workers that serve the queue or are loading their models for it, and are not stopping',
    type: 'gauge',
    labels: ['queue'],
    samples: ({ reading }) => {
      const { queues, workers, starting } = reading?.snapshot ?? { queues: [], workers: [], starting: [] };
      return queues.map(({ name }) => {
        const serving = servingWorkers(workers, name).length + startersOf(starting, name, workers).length;
        return [{ queue: name }, serving];
      });
    },
  },
  gauge(
    'infer_queue_unserved_jobs',
    'Waiting jobs that a worker of the queue has passed over and none can run, because none has or is loading their model, or none reads their layout; no sample if there are none',
    (queue, labels) => unservedByModel(queue).map(([model, jobs]) => [{ ...labels, model }, jobs]),
    'model',
  ),
  gauge(
    'infer_queue_damaged_keys',
    'Keys of the queue in Redis with a value of the wrong type; the jobs in them are in no other figure',
    (queue, labels) => [[labels, queue.damaged.keys]],
  ),
  gauge(
    'infer_queue_damaged_jobs',
    'Jobs that were set aside as damaged and were neither retried nor cancelled; kept for 7 days',
    (queue, labels) => [[labels, queue.damaged.jobs]],
  ),
  {
    name: 'infer_jobs_submitted_total',
    help: 'Jobs added to the queue',
    type: 'counter',
    labels: ['queue'],
    samples: ofQueues((queue, labels) => [[labels, queue.submitted]]),
  },
  counter('infer_jobs_completed_total', 'Jobs that workers completed', jobsOf('completed')),
  counter('infer_jobs_failed_total', 'Jobs that failed for good', jobsOf('failed')),
  counter('infer_jobs_expired_total', 'Jobs that workers found to be past their deadline', jobsOf('expired')),
  counter(
    'infer_jobs_cancelled_total',
    'Jobs that were cancelled while a worker held them',
    jobsOf('cancelled'),
  ),
  counter('infer_jobs_retried_total', 'Tries that failed and will be repeated', jobsOf('retried')),
  counter('infer_rows_total', 'Rows of completed jobs', ({ rows }, labels) => [[labels, rows]]),
  counter(
    'infer_batches_total',
    'Micro-batches by why they were started: full, idle (nothing more waited), urgent (the rest was of a less urgent queue), window, retry',
    ({ batches }, labels) => Object.entries(batches).map(([reason, count]) => [{ ...labels, reason }, count]),
    'reason',
  ),
  histogram(
    'infer_job_wait_seconds',
    'Time of a job from submit to the start of its run',
    'wait',
    WAIT_BOUNDS,
  ),
  histogram('infer_job_run_seconds', 'Time of the micro-batches a job was in', 'run', RUN_BOUNDS),
  histogram('infer_job_duration_seconds', 'Time of a job from submit to its end', 'total', WAIT_BOUNDS),
  histogram('infer_batch_rows', 'Rows of a micro-batch', 'batchRows', BATCH_BOUNDS),
];
