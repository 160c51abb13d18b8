import { jobsByState, purgedText, sumOf } from '../../../operations/audit-text.js';
import type { PurgeOutcome } from '../../../operations/outcomes.js';
import type { OperationView } from './view.js';

export const purgeView: OperationView<PurgeOutcome, PurgeOutcome, PurgeOutcome> = {
  label: 'purging',
  danger: ({ queue, jobs }) => `${verbOf(jobs)} ${jobsByState(jobs)} of ${queue} for good`,
  preview: (plan) => ({
    lines: [
      sumOf(plan.jobs) === 0
        ? `nothing to purge in ${plan.queue}`
        : `would purge ${jobsByState(plan.jobs)} of ${plan.queue}`,
    ],
    json: { ...plan },
  }),
  done: (outcome) => ({ lines: [purgedText(outcome)], json: { ...outcome } }),
};

function verbOf(counts: PurgeOutcome['jobs']): string {
  const waits = (counts.waiting ?? 0) + (counts.delayed ?? 0);
  const forgets = sumOf(counts) > waits;
  return waits > 0 && forgets ? 'cancels or deletes' : waits > 0 ? 'cancels' : 'forgets';
}
