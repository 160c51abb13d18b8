import { plural } from '../../core/counts.js';
import { refuseUnknownNames } from '../../deployment/known-names.js';
import { planRepair, type Repaired, repair } from '../../queue/broker/repair.js';
import { damagedKeyText } from '../../queue/damage.js';
import { parseJobFilter } from '../../queue/read/job-filter.js';
import type { Deed } from './control-command.js';

/** Taking damaged keys of a queue out of use and filling its lists again, as a deed; doing it twice is fine. */
export function repairDeed(queue: string): Deed {
  return {
    action: 'repair',
    target: queue,
    plan: async ({ client, prefix, signal }) => {
      await refuseUnknownNames(client, prefix, parseJobFilter({ queue: [queue] }));
      const { keys, lost, damagedJobs } = await planRepair(client, prefix, queue, signal);
      const found = { queue, keys: keys.map(({ key, what, effect }) => ({ key, what, effect })) };
      const aside = damagedJobs === 0 ? [] : [damagedText(queue, damagedJobs)];
      const lines = [
        ...keys.map(damagedKeyText),
        ...(lost.length === 0 ? [] : [`${plural(lost.length, 'job')} of ${queue} in no list`]),
      ];
      return {
        danger:
          keys.length === 0
            ? undefined
            : `takes ${plural(keys.length, 'key')} of ${queue} out of use and fills its lists again from the records of its jobs`,
        preview: () => ({
          lines: [...(lines.length === 0 ? [`nothing to repair in ${queue}`] : lines), ...aside],
          json: { ...found, lost: lost.length, damagedJobs },
        }),
        act: async () => {
          const done = await repair(client, prefix, queue, signal);
          const said = doneText(queue, done);
          return {
            lines: [
              ...done.putAway.map(({ key, as }) => `${key} is out of use; kept for 7 days as ${as}`),
              said,
              ...aside,
            ],
            json: { queue, ...done, damagedJobs },
            ok: true,
            result: said,
          };
        },
      };
    },
  };
}

function doneText(queue: string, { putAway, placed }: Repaired): string {
  const parts = Object.entries(placed).filter(([, jobs]) => jobs > 0);
  if (parts.length === 0)
    return putAway.length === 0 ? `nothing to repair in ${queue}` : `${queue} is repaired`;
  return `${queue} is repaired, jobs put back: ${parts.map(([state, jobs]) => `${jobs} ${state}`).join(', ')}`;
}

function damagedText(queue: string, jobs: number): string {
  return `${plural(jobs, 'job')} set aside as damaged: infer retry --failed -Q ${queue} --error JOB_DAMAGED`;
}
