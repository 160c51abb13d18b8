import { plural } from '../../../core/counts.js';
import { revokedText } from '../../../operations/audit-text.js';
import { type Bounded, boundedJobs, byStateText, unreadText } from '../../../operations/estimate-text.js';
import type { RevokedJobs } from '../../../operations/outcomes.js';
import type { RevokePlan, RevokePreview } from '../../../operations/revoke-jobs.js';
import { leftAloneExit, type OperationView } from './view.js';

export const revokeView: OperationView<RevokePlan, RevokedJobs, RevokePreview> = {
  label: 'cancelling',
  danger: (plan) => {
    const unread = unreadText(plan);
    return `cancels ${meant(plan)}${unread === undefined ? '' : `; ${unread}`}`;
  },
  preview: (plan) => ({
    lines: [
      plan.jobs === 0 ? 'no job to cancel' : `would cancel ${meant({ ...plan, bound: 'exact' })}`,
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

/** `3 jobs (2 waiting, 1 active)`, `at most 1,000,000 jobs (1,000,000 waiting)`. */
function meant(jobs: Bounded & Pick<RevokePreview, 'byState'>): string {
  return jobs.jobs === 0 ? boundedJobs(jobs) : `${boundedJobs(jobs)} (${byStateText(jobs)})`;
}
