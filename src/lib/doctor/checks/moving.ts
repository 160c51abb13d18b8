import { type Moment, mayMove, standsStill } from '../../deployment/judgements.js';
import type { QueueSnapshot } from '../../queue/read/inspector.js';
import { servingWorkers } from '../../queue/serving.js';
import type { WorkerRecord } from '../../queue/types.js';
import { type Check, fail, type Judgement, ok, several, skip } from '../check.js';
import { backlog } from './queues.js';

export const queueMoving: Check = {
  id: 'queue-moving',
  topic: 'queues',
  title: 'workers take jobs',
  run: async (context) => {
    const { first, second } = await context.samples();
    return judgeMoving(first, second);
  },
};

/** Queues that are stuck between two samples, although idle workers serve them. */
export function judgeMoving(first: Moment, second: Moment): Judgement {
  const stuck = second.queues.filter((queue) => standsStill(queue, second, first));
  if (stuck.length > 0) {
    const lines = stuck.map((queue) => describe(queue, second.workers));
    const { found, details } = several(lines);
    return fail(found, 'restart these workers; their log says what they wait for', { details });
  }
  const waiting = second.queues.filter((queue) => mayMove(queue, second.workers));
  if (waiting.length === 0) return skip('no job waits in a queue that is served and not paused');
  return ok(`jobs of ${waiting.map((queue) => queue.name).join(', ')} are taken`);
}

function describe(queue: QueueSnapshot, workers: readonly WorkerRecord[]): string {
  const names = servingWorkers(workers, queue.name).map((worker) => worker.name);
  const { name, waiting, oldestMs } = queue;
  return `queue ${name}: ${backlog({ waiting, oldestMs })} and ${names.join(', ')} ${names.length === 1 ? 'takes' : 'take'} none`;
}
