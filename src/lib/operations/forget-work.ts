import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { forgetGroup, forgetJobs } from '../queue/broker/forget.js';
import type { ResultSource } from '../queue/broker/result-store.js';
import { forgottenText } from './audit-text.js';
import { byQueue, type FoundPlace, findNamedJobs, groupsOf, type NamedJobs, pagesOf } from './named-jobs.js';
import type { Operation } from './operation.js';
import type { ForgottenWork } from './outcomes.js';

/**
 * Deleting what is kept of an ended job or group: record, input and result.
 * @param results where results are stored
 * @param place where it was found [it is looked up]
 */
export function forgetWork(
  id: string,
  results: ResultSource,
  place?: FoundPlace,
): Operation<NamedJobs, ForgottenWork, ForgottenWork> {
  return {
    action: 'delete',
    target: id,
    log: 'jobs',
    needsConsent: () => false,
    plan: ({ client, prefix }) => findNamedJobs(client, prefix, [id], place),
    preview: async (plan) => ({ id, jobs: plan.total }),
    act: async (plan, { client, prefix, signal }, report) => {
      let jobs = 0;
      let done = 0;
      const [group] = groupsOf(plan);
      for (const page of pagesOf(plan)) {
        signal.throwIfAborted();
        for (const [queue, ids] of byQueue(page))
          jobs += await forgetJobs(client, prefix, queue, ids, results, group);
        done += page.length;
        report({ kind: 'jobs', done, changed: jobs, total: plan.total });
      }
      const gone = group === undefined ? jobs > 0 : await forgetGroup(client, prefix, group.queue, group.id);
      if (!gone) {
        throw new InferError('NOT_ENDED', `${printable(id)} has not ended: nothing was deleted`, {
          hint: 'cancel it first, and delete it when it has stopped',
        });
      }
      return { id, jobs };
    },
    summary: (outcome) => ({ count: outcome.jobs, outcome: 'ok', result: forgottenText(outcome) }),
  };
}
