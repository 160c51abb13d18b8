import { checkQueueName } from '../core/job.js';
import { type MoveOutcome, Mover } from '../queue/broker/move.js';
import { readJob } from '../queue/read/reader.js';
import { isServed } from '../queue/routes.js';
import { movedText } from './audit-text.js';
import { findNamedJobs, type JobPlace, type NamedJobs, pagesOf } from './named-jobs.js';
import type { Operation, OperationContext } from './operation.js';
import { isMoved, type JobRow, type MovedJobs, tally } from './outcomes.js';

export interface MovePlan {
  to: string;
  jobs: NamedJobs;
  /** A worker serves the target queue, or is loading its models for it. */
  served: boolean;
}

/** Moving waiting jobs, given by their ids or that of their group, to another queue. */
export function moveJobs(ids: readonly string[], queue: string): Operation<MovePlan, MovedJobs, MovedJobs> {
  const to = checkQueueName(queue);
  return {
    action: 'move',
    target: ids.join(' '),
    detail: `to ${to}`,
    needsConsent: ({ jobs }) => jobs.total > 1,
    plan: async ({ client, prefix }) => {
      const jobs = await findNamedJobs(client, prefix, ids);
      return { to, jobs, served: await isServed(client, prefix, to) };
    },
    preview: async ({ jobs }, context) => {
      const rows: MovedJobs['jobs'] = [];
      for (const page of pagesOf(jobs)) {
        context.signal.throwIfAborted();
        rows.push(...(await Promise.all(page.map((job) => foreseen(context, job, to)))));
      }
      return { to, jobs: rows };
    },
    act: async ({ jobs }, { client, prefix, signal }, report) => {
      const mover = new Mover(client, prefix, to);
      const rows: MovedJobs['jobs'] = [];
      let changed = 0;
      for (const page of pagesOf(jobs)) {
        for (const { id, queue: from } of page) {
          // Between two jobs, never within one.
          signal.throwIfAborted();
          const outcome = await mover.move(id, from, () => {
            changed += 1;
            report({ kind: 'jobs', done: rows.length, changed, total: jobs.total });
          });
          rows.push({ id, queue: outcome === 'moved' ? to : from, outcome });
          report({ kind: 'jobs', done: rows.length, changed, total: jobs.total });
        }
      }
      return { to, jobs: rows };
    },
    summary: (moved) => {
      const { outcome, code } = tally(moved.jobs, isMoved);
      const count = moved.jobs.filter((job) => job.outcome === 'moved').length;
      return { count, outcome, code, result: movedText(moved) };
    },
  };
}

async function foreseen(
  { client, prefix }: OperationContext,
  { id, queue }: JobPlace,
  to: string,
): Promise<JobRow<MoveOutcome>> {
  if (queue === to) return { id, queue, outcome: 'same queue' };
  const [record, other] = await Promise.all([
    readJob(client, prefix, queue, id),
    readJob(client, prefix, to, id),
  ]);
  if (record === undefined) return { id, queue, outcome: 'unknown' };
  if (record.newer !== undefined) return { id, queue, outcome: 'newer' };
  if (record.state !== 'waiting' && record.state !== 'delayed') return { id, queue, outcome: 'not waiting' };
  if (other !== undefined) return { id, queue, outcome: 'id taken' };
  const stuck = record.group !== undefined && client.isCluster;
  return { id, queue, outcome: stuck ? 'chunk in a Cluster' : 'moved' };
}
