import type { Priority } from '../core/job.js';
import { type PriorityOutcome, setGroupPriority, setPriority } from '../queue/broker/set-priority.js';
import { readJob } from '../queue/read/reader.js';
import { prioritisedText } from './audit-text.js';
import { byQueue, findNamedJobs, groupsOf, type JobPlace, type NamedJobs, pagesOf } from './named-jobs.js';
import type { Operation, OperationContext } from './operation.js';
import { isPrioritised, type JobRow, type PrioritisedJobs, tally } from './outcomes.js';

/** Giving waiting jobs, selected by their ids or that of their group, another priority. */
export function prioritiseJobs(
  ids: readonly string[],
  priority: Priority,
): Operation<NamedJobs, PrioritisedJobs, PrioritisedJobs> {
  return {
    action: 'priority',
    target: ids.join(' '),
    detail: `priority ${priority}`,
    needsConsent: () => false,
    plan: ({ client, prefix }) => findNamedJobs(client, prefix, ids),
    preview: async (named, context) => {
      const jobs: PrioritisedJobs['jobs'] = [];
      for (const page of pagesOf(named)) {
        context.signal.throwIfAborted();
        jobs.push(...(await Promise.all(page.map((job) => foreseen(context, job, priority)))));
      }
      return { priority, jobs };
    },
    act: async (named, { client, prefix, signal }, report) => {
      const jobs: PrioritisedJobs['jobs'] = [];
      let changed = 0;
      for (const page of pagesOf(named)) {
        signal.throwIfAborted();
        for (const [queue, some] of byQueue(page)) {
          const outcomes = await setPriority(client, prefix, queue, some, priority);
          jobs.push(...some.map((id, at) => ({ id, queue, outcome: outcomes[at] as PriorityOutcome })));
          changed += outcomes.filter((outcome) => outcome === 'changed').length;
        }
        report({ kind: 'jobs', done: jobs.length, changed, total: named.total });
      }
      await Promise.all(groupsOf(named).map((group) => setGroupPriority(client, prefix, group, priority)));
      return { priority, jobs };
    },
    summary: (given) => {
      const { outcome, code } = tally(given.jobs, isPrioritised);
      const count = given.jobs.filter((job) => job.outcome === 'changed').length;
      return { count, outcome, code, result: prioritisedText(given) };
    },
  };
}

async function foreseen(
  { client, prefix }: OperationContext,
  { id, queue }: JobPlace,
  priority: Priority,
): Promise<JobRow<PriorityOutcome>> {
  const record = await readJob(client, prefix, queue, id);
  if (record === undefined) return { id, queue, outcome: 'unknown' };
  if (record.newer !== undefined) return { id, queue, outcome: 'newer' };
  const waits = record.state === 'waiting' || record.state === 'delayed';
  const outcome = !waits ? 'not waiting' : record.priority === priority ? 'same' : 'changed';
  return { id, queue, outcome };
}
