import { THRESHOLDS } from '../../core/thresholds.js';
import { formatDuration } from '../../core/units.js';
import { isUnserved } from '../../deployment/judgements.js';
import type { ActiveJob } from '../../queue/read/job-active.js';
import type { StartingWorker } from '../../queue/starting.js';
import type { WorkerRecord } from '../../queue/types.js';
import { type Check, fail, type Judgement, ok, several, skip, warn } from '../check.js';

export const queueLocks: Check = {
  id: 'queue-locks',
  topic: 'queues',
  title: 'active jobs are held',
  run: async (context) => {
    const { first, second } = await context.samples();
    return judgeLocks(first.active, second.active, second.workers, second.starting);
  },
};

/** Jobs that no worker held in both samples: their worker has died. Workers of the queue take them over. */
export function judgeLocks(
  before: readonly ActiveJob[],
  after: readonly ActiveJob[],
  workers: readonly WorkerRecord[],
  starting: readonly StartingWorker[] = [],
): Judgement {
  const lost = after.filter(
    (job) =>
      isLost(job) &&
      before.some((one) => one.id === job.id && isLost(one) && one.startedAt === job.startedAt),
  );
  if (lost.length === 0) {
    return after.length === 0
      ? skip('no job is active')
      : ok(`${after.length} active, each under a live lock`);
  }
  const queues = [...new Set(lost.map((job) => job.queue))];
  const { found, details } = several(
    queues.map((queue) => {
      const jobs = lost.filter((job) => job.queue === queue);
      const some = jobs.length === 1 ? `job ${jobs[0]?.id} is` : `${jobs.length} jobs are`;
      return `queue ${queue}: ${some} active and held by no worker`;
    }),
  );
  const alone = queues.filter((queue) => isUnserved(queue, workers, starting));
  if (alone.length > 0) {
    const fix = `infer worker -Q ${alone.join(',')} (a worker of the queue runs them again within seconds)`;
    return fail(found, fix, { details });
  }
  return warn(found, 'wait some seconds: the workers of the queue run them again; if not, restart these', {
    details,
  });
}

/** No worker holds it. */
function isLost({ lockMs }: Pick<ActiveJob, 'lockMs'>): boolean {
  return lockMs === null;
}

export const queueLimits: Check = {
  id: 'queue-limits',
  topic: 'queues',
  title: 'jobs within their time limit',
  run: async (context) => {
    const { second } = await context.samples();
    return judgeLimits(second.active, second.workers, second.at);
  },
};

/**
 * Jobs that exceed the time limit they were submitted with. Their worker's heartbeat says how long they have
 * run; for a job in no heartbeat, the time since it was taken counts.
 */
export function judgeLimits(
  active: readonly ActiveJob[],
  workers: readonly WorkerRecord[],
  now: number,
): Judgement {
  const limited = active.filter((job) => job.timeLimitMs !== undefined);
  if (limited.length === 0) return skip('no active job has a time limit');
  const over = limited.flatMap((job) => {
    const worker = workers.find((one) => one.active.some((running) => running.id === job.id));
    const running = worker?.active.find((one) => one.id === job.id);
    const ms =
      worker === undefined || running === undefined
        ? now - (job.startedAt ?? now)
        : running.sinceMs + Math.max(0, now - worker.beatAt);
    return ms > (job.timeLimitMs as number) + THRESHOLDS.limitOverrun.value ? [{ job, worker, ms }] : [];
  });
  if (over.length === 0) {
    return ok(
      limited.length === 1
        ? '1 job with a limit, within it'
        : `${limited.length} jobs with limits, all within`,
    );
  }
  const { found, details } = several(
    over.map(({ job, worker, ms }) => {
      const who = worker === undefined ? 'its worker' : `worker ${worker.name}`;
      const limit = formatDuration(job.timeLimitMs as number);
      return `job ${job.id} of ${job.queue} has run for ${formatDuration(ms)} with a limit of ${limit}: ${who} does not end it`;
    }),
  );
  const holder = over.find(({ worker }) => worker !== undefined)?.worker;
  const fix =
    holder === undefined
      ? 'restart the worker that holds it'
      : `on ${holder.host}: kill -9 ${holder.pid} (its jobs run again on another worker)`;
  return fail(found, fix, { details });
}
