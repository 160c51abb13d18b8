import { plural } from '../../../core/counts.js';
import { repairedText } from '../../../operations/audit-text.js';
import type { QueueRepaired } from '../../../operations/outcomes.js';
import type { QueueRepairPlan } from '../../../operations/repair-queue.js';
import { damagedKeyText } from '../../../queue/damage.js';
import type { OperationView } from './view.js';

export const repairView: OperationView<QueueRepairPlan, QueueRepaired, QueueRepairPlan> = {
  danger: ({ queue, keys }) =>
    `takes ${plural(keys.length, 'key')} of ${queue} out of use and rebuilds its lists from the records of its jobs`,
  preview: ({ queue, keys, lost, damagedJobs }) => {
    const lines = [
      ...keys.map(damagedKeyText),
      ...(lost.length === 0 ? [] : [`${plural(lost.length, 'job')} of ${queue} in no list`]),
    ];
    return {
      lines: [
        ...(lines.length === 0 ? [`nothing to repair in ${queue}`] : lines),
        ...aside(queue, damagedJobs),
      ],
      json: {
        queue,
        keys: keys.map(({ key, what, effect }) => ({ key, what, effect })),
        lost: lost.length,
        damagedJobs,
      },
    };
  },
  done: (repaired) => ({
    lines: [
      ...repaired.putAway.map(({ key, as }) => `${key} is out of use; kept for 7 days as ${as}`),
      repairedText(repaired),
      ...aside(repaired.queue, repaired.damagedJobs),
    ],
    json: { ...repaired },
  }),
};

function aside(queue: string, jobs: number): string[] {
  return jobs === 0
    ? []
    : [`${plural(jobs, 'job')} set aside as damaged: infer retry --failed -Q ${queue} --error JOB_DAMAGED`];
}
