import { jobsWait } from '../../core/counts.js';
import { formatDuration } from '../../core/units.js';
import { isUnserved } from '../../deployment/judgements.js';
import type { QueueSnapshot } from '../../queue/read/inspector.js';
import { newerText, queueFix, unservedFix, unservedJobs, unservedText } from '../../queue/routes.js';
import type { StartingWorker } from '../../queue/starting.js';
import type { WorkerRecord } from '../../queue/types.js';
import { type Check, fail, type Judgement, ok, several, warn } from '../check.js';

export const queueServed: Check = {
  id: 'queue-served',
  topic: 'queues',
  title: 'jobs have a worker',
  run: async (context) => {
    const { second } = await context.samples();
    return judgeServed(second.queues, second.workers, second.starting);
  },
};

/** Queues whose jobs are not taken: a draining worker takes none. */
export function judgeServed(
  queues: readonly QueueSnapshot[],
  workers: readonly WorkerRecord[],
  starting: readonly StartingWorker[] = [],
): Judgement {
  const waiting = queues.filter((queue) => queue.waiting + queue.delayed > 0);
  const alone = waiting.filter((queue) => isUnserved(queue.name, workers, starting));
  const unserved = queues
    .filter((queue) => !alone.includes(queue))
    .flatMap((queue) => unservedJobs(queue, workers, starting).map((jobs) => ({ queue: queue.name, jobs })));
  const [first] = unserved;
  if (alone.length > 0 || first !== undefined) {
    const { found, details } = several([
      ...alone.map(
        (queue) => `queue ${queue.name}: ${backlog(queue)} and no worker serves it${newerText(queue.newer)}`,
      ),
      ...unserved.map(({ queue, jobs }) => unservedText(queue, jobs)),
    ]);
    const plain = alone.filter((queue) => queue.newer === undefined);
    const fixes = [
      ...(plain.length === 0 ? [] : [queueFix(plain.map((queue) => queue.name))]),
      ...alone.filter((queue) => queue.newer !== undefined).map(({ name, newer }) => queueFix([name], newer)),
      ...(first === undefined ? [] : [unservedFix(first.queue, first.jobs, workers)]),
    ];
    return fail(found, fixes.join('; '), { details });
  }
  if (queues.length === 0) return ok('no queue has had a job yet');
  if (waiting.length === 0) return ok(`no job waits in ${names(queues)}`);
  return ok(`${names(waiting)} ${waiting.length === 1 ? 'is' : 'are'} served`);
}

export const queuePaused: Check = {
  id: 'queue-paused',
  topic: 'queues',
  title: 'paused queues',
  run: async (context) => judgePaused((await context.samples()).second.queues),
};

export function judgePaused(queues: readonly QueueSnapshot[]): Judgement {
  const paused = queues.filter((queue) => queue.paused);
  if (paused.length === 0) return ok('none');
  const lines = paused.map((queue) => {
    const jobs = queue.waiting + queue.delayed === 0 ? 'no job waits' : backlog(queue);
    return `queue ${queue.name} is paused: ${jobs}`;
  });
  const { found, details } = several(lines);
  const fix = paused.map((queue) => `infer control resume ${queue.name}`).join(' && ');
  return warn(found, fix, { details });
}

export const queueFailed: Check = {
  id: 'queue-failed',
  topic: 'queues',
  title: 'failed jobs',
  run: async (context) => judgeFailed((await context.samples()).second.queues),
};

export function judgeFailed(queues: readonly QueueSnapshot[]): Judgement {
  const failed = queues.filter((queue) => queue.failed > 0);
  if (failed.length === 0) return ok('none');
  const jobs = failed.reduce((sum, queue) => sum + queue.failed, 0);
  return warn(
    `${jobs === 1 ? '1 job has' : `${jobs} jobs have`} failed and can be run again: ${failed.map((queue) => `${queue.name} ${queue.failed}`).join(', ')}`,
    `infer retry --failed -Q ${failed.map((queue) => queue.name).join(',')}`,
  );
}

/** `2 jobs wait (the oldest for 5 s)`; includes delayed jobs if given. */
export function backlog({
  waiting,
  delayed = 0,
  oldestMs,
}: Pick<QueueSnapshot, 'waiting' | 'oldestMs'> & { delayed?: number }): string {
  const jobs = waiting + delayed;
  const age = oldestMs === undefined ? '' : ` (the oldest for ${formatDuration(oldestMs)})`;
  return `${jobsWait(jobs)}${age}`;
}

function names(queues: readonly QueueSnapshot[]): string {
  return queues.map((queue) => queue.name).join(', ');
}
