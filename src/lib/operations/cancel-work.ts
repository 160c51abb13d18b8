import type { JobState } from '../core/job.js';
import {
  type CancelledWork,
  cancelSummary,
  changedByCancel,
  changedChunks,
  openJobs,
} from '../queue/audit-summary.js';
import { Producer } from '../queue/broker/producer.js';
import { missingId } from '../queue/broker/unknown-id.js';
import { groupNewer } from '../queue/layout.js';
import { readGroup, readJob } from '../queue/read/reader.js';
import type { GroupRecord } from '../queue/types.js';
import { serverClock } from '../redis/server-clock.js';
import { type FoundPlace, findNamedJobs, groupsOf, type JobPlace } from './named-jobs.js';
import type { Operation, OperationContext, Report } from './operation.js';

/** The job or group to cancel, its state before, and how many of its jobs may change. */
export type CancelPlan = { open: number } & (
  | { kind: 'job'; job: JobPlace; before: JobState | undefined }
  | { kind: 'group'; group: GroupRecord }
);

/**
 * Cancelling a job or a whole group, by its id. Jobs of a newer layout are left alone.
 * @param place where it was found [it is looked up]
 * @throws InferError LAYOUT_NEWER (69) if there was no other job to cancel.
 */
export function cancelWork(id: string, place?: FoundPlace): Operation<CancelPlan, CancelledWork> {
  return {
    action: 'cancel',
    target: id,
    log: 'jobs',
    needsConsent: () => false,
    plan: (context) => planOf(id, place, context),
    preview: async (plan) => plan,
    act: async (plan, context, report) => {
      const producer = new Producer(context.client, context.prefix, serverClock(context.client));
      try {
        return plan.kind === 'job'
          ? await cancelJob(plan.job, plan.before, producer, context)
          : await cancelGroup(plan.group, producer, context, report);
      } finally {
        await producer.close();
      }
    },
    summary: cancelSummary,
  };
}

async function planOf(
  id: string,
  place: FoundPlace | undefined,
  { client, prefix }: OperationContext,
): Promise<CancelPlan> {
  const found = await findNamedJobs(client, prefix, [id], place);
  const [group] = groupsOf(found);
  if (group !== undefined) return { kind: 'group', group, open: openJobs(group) };
  const [first] = found.named;
  if (first?.kind !== 'job') throw await missingId(client, prefix, id);
  const before = (await readJob(client, prefix, first.job.queue, id))?.state;
  return { kind: 'job', job: first.job, before, open: changedByCancel(before, 'cancelled') };
}

async function cancelJob(
  { id, queue }: JobPlace,
  before: JobState | undefined,
  producer: Producer,
  { client, prefix, signal }: OperationContext,
): Promise<CancelledWork> {
  signal.throwIfAborted();
  const state = await producer.cancel(queue, id);
  if (state === undefined) throw await missingId(client, prefix, id, 'either', { queue });
  return { id, kind: 'job', queue, state, jobs: changedByCancel(before, state) };
}

async function cancelGroup(
  group: GroupRecord,
  producer: Producer,
  { client, prefix, signal }: OperationContext,
  report: Report,
): Promise<CancelledWork> {
  const { id, queue } = group;
  signal.throwIfAborted();
  const onPage = (done: number, changed: number) =>
    report({ kind: 'jobs', done, changed, total: group.jobs });
  const { states, newer } = await producer.cancelGroup(group, { signal, onPage });
  const jobs = changedChunks(group, states, newer);
  if (jobs === 0 && newer !== undefined) throw groupNewer(id, newer);
  const after = await readGroup(client, prefix, queue, id);
  if (after === undefined) throw await missingId(client, prefix, id, 'either', { queue });
  return { id, kind: 'group', queue, state: after.state, jobs, newer };
}
