import { plural } from '../../../core/counts.js';
import { ExitCode } from '../../../core/exit-codes.js';
import { revokedText } from '../../../operations/audit-text.js';
import type { RevokedJobs } from '../../../operations/outcomes.js';
import type { RevokePlan } from '../../../operations/revoke-jobs.js';
import type { OperationView } from './view.js';

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
  // As for jobs that are moved one by one: 3 when some were refused, 1 when all were.
  done: (outcome) => {
    const refused = outcome.cancelled + outcome.active > 0 ? ExitCode.Partial : ExitCode.Negative;
    const exitCode = outcome.newer > 0 ? refused : undefined;
    return { lines: [revokedText(outcome)], json: { ...outcome }, exitCode };
  },
};

/** `3 jobs (2 waiting, 1 active)`. */
function meant({ jobs, byState }: RevokePlan): string {
  const states = Object.entries(byState).map(([state, many]) => `${many} ${state}`);
  return `${plural(jobs, 'job')} (${states.join(', ')})`;
}
