import { plural } from '../../../core/counts.js';
import { jobsByState, purgedText, sumOf } from '../../../operations/audit-text.js';
import type { PurgeOutcome, PurgePlan } from '../../../operations/outcomes.js';
import { leftAloneExit, type OperationView } from './view.js';

export const purgeView: OperationView<PurgePlan, PurgeOutcome, PurgeOutcome> = {
  label: 'purging',
  danger: ({ queue, jobs, isExact }) =>
    `${verbOf(jobs)} ${isExact ? '' : 'at most '}${jobsByState(jobs)} of ${queue} for good`,
  preview: ({ queue, jobs, newer }) => ({
    lines: [
      sumOf(jobs) === 0 ? `nothing to purge in ${queue}` : `would purge ${jobsByState(jobs)} of ${queue}`,
      ...(newer === 0 ? [] : [`would leave ${plural(newer, 'job')} of a newer infer alone`]),
    ],
    json: { queue, jobs, newer },
  }),
  done: (outcome) => ({
    lines: [purgedText(outcome)],
    json: { ...outcome },
    exitCode: leftAloneExit(sumOf(outcome.jobs), outcome.newer),
  }),
};

function verbOf(counts: PurgePlan['jobs']): string {
  const waits = (counts.waiting ?? 0) + (counts.delayed ?? 0);
  const forgets = sumOf(counts) > waits;
  return waits > 0 && forgets ? 'cancels or deletes' : waits > 0 ? 'cancels' : 'forgets';
}
