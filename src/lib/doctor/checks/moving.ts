import { formatDuration } from '../../core/units.js';
import type { QueueSnapshot } from '../../queue/read/inspector.js';
import { unservedJobs } from '../../queue/routes.js';
import type { WorkerRecord } from '../../queue/types.js';
import { type Check, type Finding, fail, ok, several, skip } from '../check.js';
import type { Sample } from '../context.js';
import { servedQueues } from './queues.js';

export const queueMoving: Check = {
  id: 'queue-moving',
  topic: 'queues',
  title: 'workers take jobs',
  run: async (context) => {
    const { first, second } = await context.samples();
    return judgeMoving(first, second);
  },
};

type Moment = Pick<Sample, 'queues' | 'workers'>;

/**
 * Queues that stand still: jobs wait, none is active, and between the two looks nothing has ended,
 * though workers that have nothing else to do serve them.
 */
export function judgeMoving(first: Moment, second: Moment): Finding {
  const served = servedQueues(second.workers);
  const before = new Map(first.queues.map((queue) => [queue.name, queue]));
  // Beside jobs whose model no one serves (see the check before), nothing is known of the others' age.
  const waiting = second.queues.filter(
    (queue) =>
      queue.waiting > 0 &&
      !queue.paused &&
      served.has(queue.name) &&
      unservedJobs(queue, second.workers).length === 0,
  );
  const stuck = waiting.filter((queue) => {
    const earlier = before.get(queue.name);
    return earlier !== undefined && standsStill(earlier, queue) && idle(queue.name, first, second);
  });
  if (stuck.length > 0) {
    const lines = stuck.map((queue) => describe(queue, second.workers));
    const { found, details } = several(lines);
    return fail(found, 'restart these workers; their log says what they wait for', { details });
  }
  if (waiting.length === 0) return skip('no job waits in a queue that is served');
  return ok(`jobs of ${waiting.map((queue) => queue.name).join(', ')} are taken`);
}

function standsStill(before: QueueSnapshot, after: QueueSnapshot): boolean {
  return (
    before.waiting > 0 &&
    before.active === 0 &&
    after.active === 0 &&
    // Fewer waiting is progress; more is only someone who submits.
    after.waiting >= before.waiting &&
    after.completed === before.completed &&
    after.failed === before.failed &&
    // One that arrived since the first look has not had its second yet.
    (after.oldestMs ?? 0) > (before.oldestMs ?? 0)
  );
}

/** None of its workers is busy with other queues, or has ended a job. */
function idle(queue: string, first: Moment, second: Moment): boolean {
  const done = new Map(first.workers.map((worker) => [worker.id, worker.jobsDone + worker.jobsFailed]));
  return serving(queue, second.workers).every(
    (worker) =>
      worker.active.length === 0 &&
      (done.get(worker.id) ?? Number.NaN) === worker.jobsDone + worker.jobsFailed,
  );
}

function serving(queue: string, workers: readonly WorkerRecord[]): WorkerRecord[] {
  return workers.filter((worker) => worker.state !== 'draining' && worker.queues.includes(queue));
}

function describe(queue: QueueSnapshot, workers: readonly WorkerRecord[]): string {
  const names = serving(queue.name, workers).map((worker) => worker.name);
  const jobs = queue.waiting === 1 ? '1 job waits' : `${queue.waiting} jobs wait`;
  const age = queue.oldestMs === undefined ? '' : ` (the oldest for ${formatDuration(queue.oldestMs)})`;
  return `queue ${queue.name}: ${jobs}${age} and ${names.join(', ')} ${names.length === 1 ? 'takes' : 'take'} none`;
}
