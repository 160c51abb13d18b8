import { plural } from '../core/counts.js';
import { damagedKeyText, type QueueDamage, repairCommand } from '../queue/damage.js';
import type { Problem } from './problem.js';

/** Keys of queues with the wrong type, and jobs that were set aside as damaged. */
export function damageProblems(queues: readonly QueueDamage[]): Problem[] {
  return queues.flatMap(({ queue, keys, jobs, jobCount }) => {
    const broken = keys.map((key) => ({
      code: 'QUEUE_DAMAGED',
      message: `queue ${queue}: ${damagedKeyText(key)}`,
      fix: repairCommand(queue),
    }));
    const [last] = jobs;
    if (last === undefined) return broken;
    const has = jobCount === 1 ? 'has' : 'have';
    return [
      ...broken,
      {
        code: 'JOB_DAMAGED',
        message: `${plural(jobCount, 'job')} of queue ${queue} ${has} been set aside as damaged, the last is ${last.id}: ${last.what}`,
        fix: `infer retry ${last.id}, or infer cancel ${last.id}; infer doctor queue-damage lists them`,
      },
    ];
  });
}
