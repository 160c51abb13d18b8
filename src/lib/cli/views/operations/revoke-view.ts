import { plural } from '../../../core/counts.js';
import { revokedText } from '../../../operations/audit-text.js';
import type { RevokedJobs } from '../../../operations/outcomes.js';
import type { RevokePlan } from '../../../operations/revoke-jobs.js';
import { leftAloneExit, type OperationView } from './view.js';

export const revokeView: OperationView<RevokePlan, RevokedJobs, RevokePlan> = {
  label: 'cancelling',
  danger: (plan) => `cancels ${meant(plan)}`,
  preview: (plan) => ({
    lines: [
      plan.jobs === 0 ? 'no job to cancel' : `would cancel ${meant(plan)}`,
      ...(plan.newer === 0 ? [] : [`would leave ${plural(plan.newer, 'job')} of a newer infer alone`]),
    ],
    json: { jobs: plan.jobs, byState: plan.byState, ended: plan.ended, newer: plan.newer },
  }),
  done: (outcome) => ({
    lines: [revokedText(outcome)],
    json: { ...outcome },
    exitCode: leftAloneExit(outcome.cancelled + outcome.active, outcome.newer),
  }),
};

/** `3 jobs (2 waiting, 1 active)`. */
function meant({ jobs, byState }: RevokePlan): string {
  const states = Object.entries(byState).map(([state, many]) => `${many} ${state}`);
  return `${plural(jobs, 'job')} (${states.join(', ')})`;
}
