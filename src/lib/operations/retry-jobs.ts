import { printable } from '../core/job.js';
import { refuseUnknownNames } from '../deployment/known-names.js';
import { retrySummary } from '../queue/audit-summary.js';
import { Producer } from '../queue/broker/producer.js';
import { groupNewer, layoutNewer, type NewerJobs } from '../queue/layout.js';
import { estimateFailed, failedPages } from '../queue/read/failed-pages.js';
import { type JobEstimate, mostOf } from '../queue/read/job-estimate.js';
import type { JobFilter } from '../queue/read/job-filter.js';
import { readJob } from '../queue/read/reader.js';
import type { JobRecord } from '../queue/types.js';
import { serverClock, serverNow } from '../redis/server-clock.js';
import { sumOf } from './audit-text.js';
import { byQueue, type FoundPlace, findNamedJobs, groupsOf, type NamedJobs, pagesOf } from './named-jobs.js';
import type { Operation, OperationContext, Report } from './operation.js';
import type { RetriedJobs } from './outcomes.js';

/** The selected failed jobs: all that match a filter, or those of an id; `place`: where it was found. */
export type RetryWish = { filter: JobFilter; detail: string } | { id: string; place?: FoundPlace };

export interface RetryPlan {
  meant: { named: NamedJobs } | { filter: JobFilter };
  /** How many jobs that are: bounded in cost, so it may be an upper or a lower bound, as it says. */
  estimate: JobEstimate;
  /** Jobs that failed later are not included: milliseconds since the epoch, by Redis's clock. */
  until: number;
}

/** What a retry would run again. */
export interface RetryPreview {
  /** Jobs by queue. */
  counts: Record<string, number>;
  /** The first of them. */
  jobs: JobRecord[];
  /** Failed jobs of a newer layout, which are left alone. */
  newer: number;
}

const PAGE = 1000;
/** Jobs listed by a dry run; all are counted. */
const JOBS_NAMED = 20;

/**
 * Requeues failed jobs, a page at a time, oldest failure first. A job that fails again meanwhile is not
 * retried again, and one retried or deleted by others is not counted. Jobs of a newer layout are left alone.
 * @param timeLimitMs their new time limit [unchanged]
 * @param asOf jobs that failed later are not included, ms since the epoch by Redis's clock [now]
 * @throws InferError LAYOUT_NEWER (69) if an id was given and there was no other job to requeue.
 */
export function retryJobs(
  wish: RetryWish,
  timeLimitMs: number | undefined,
  asOf?: number,
): Operation<RetryPlan, RetriedJobs, RetryPreview> {
  return {
    action: 'retry',
    target: 'id' in wish ? wish.id : (wish.filter.queues?.join(' ') ?? 'all queues'),
    detail: 'id' in wish ? '' : wish.detail,
    log: 'id' in wish ? 'jobs' : 'operators',
    needsConsent: () => false,
    plan: async ({ client, prefix }) => {
      // Includes jobs that failed in this millisecond.
      const until = (asOf ?? (await serverNow(client))) + 1;
      if ('id' in wish) {
        const named = await findNamedJobs(client, prefix, [wish.id], wish.place);
        return { meant: { named }, estimate: atMost(named), until };
      }
      const { filter } = wish;
      const estimate = await estimateFailed(client, prefix, filter, until);
      if (mostOf(estimate) + estimate.newer === 0) await refuseUnknownNames(client, prefix, filter);
      return { meant: { filter }, estimate, until };
    },
    preview: async (plan, context) => {
      const counts = startCounts(plan);
      const jobs: JobRecord[] = [];
      let newer: NewerJobs | undefined;
      for await (const page of selectedPages(plan, context)) {
        for (const job of page) {
          if (job.newer !== undefined) {
            newer = { layout: job.newer, ...newer, jobs: (newer?.jobs ?? 0) + 1 };
            continue;
          }
          counts[job.queue] = (counts[job.queue] ?? 0) + 1;
          if (jobs.length < JOBS_NAMED) jobs.push(job);
        }
      }
      if (sumOf(counts) === 0 && newer !== undefined) refuseNewer(plan, newer);
      return { counts, jobs, newer: newer?.jobs ?? 0 };
    },
    act: async (plan, context, report) => {
      const { client, prefix } = context;
      const producer = new Producer(client, prefix, serverClock(client));
      try {
        return 'named' in plan.meant
          ? await retryNamed(plan, plan.meant.named, timeLimitMs, producer, context, report)
          : await retryMeant(plan, timeLimitMs, producer, context, report);
      } finally {
        await producer.close();
      }
    },
    summary: ({ jobs, newer }) => retrySummary(jobs, newer, 'id' in wish),
  };
}

async function retryNamed(
  plan: RetryPlan,
  named: NamedJobs,
  timeLimitMs: number | undefined,
  producer: Producer,
  { signal }: OperationContext,
  report: Report,
): Promise<RetriedJobs> {
  const [first] = named.named;
  if (first === undefined) return { retried: {}, jobs: 0, newer: 0 };
  signal.throwIfAborted();
  if (first.kind === 'job') {
    const { id, queue } = first.job;
    const jobs = await producer.retry(queue, [id], timeLimitMs);
    return { retried: { [queue]: jobs }, jobs, newer: 0 };
  }
  const onPage = (done: number, changed: number) =>
    report({ kind: 'jobs', done, changed, total: named.total });
  const { retried, newer } = await producer.retryGroup(first.group, timeLimitMs, { signal, onPage });
  if (retried === 0 && newer !== undefined) refuseNewer(plan, newer);
  return { retried: { [first.group.queue]: retried }, jobs: retried, newer: newer?.jobs ?? 0 };
}

async function retryMeant(
  plan: RetryPlan,
  timeLimitMs: number | undefined,
  producer: Producer,
  context: OperationContext,
  report: Report,
): Promise<RetriedJobs> {
  const retried = startCounts(plan);
  let [looked, newer] = [0, 0];
  let last: JobRecord | undefined;
  const { jobs, bound, newer: left } = plan.estimate;
  const total = bound === 'least' ? undefined : jobs + left;
  for await (const page of selectedPages(plan, context)) {
    looked += page.length;
    last = page[0] ?? last;
    for (const [queue, ids] of byQueue(page)) {
      const done = await producer.retryAll(queue, ids, timeLimitMs);
      retried[queue] = (retried[queue] ?? 0) + done.retried;
      newer += done.newer.length;
    }
    report({ kind: 'jobs', done: looked, changed: sumOf(retried), total });
  }
  // The only selected job could not be requeued: tell the caller why.
  if (looked === 1 && last !== undefined && sumOf(retried) === 0) {
    await producer.retry(last.queue, [last.id], timeLimitMs);
  }
  return { retried, jobs: sumOf(retried), newer };
}

/** @throws InferError LAYOUT_NEWER for a given job or group without another job that can be requeued. */
function refuseNewer({ meant }: RetryPlan, newer: NewerJobs): void {
  const [one] = 'named' in meant ? meant.named.named : [];
  if (one?.kind === 'job') throw layoutNewer(`job ${printable(one.job.id)}`, newer.layout);
  if (one?.kind === 'group') throw groupNewer(one.group.id, newer);
}

/** The selected failed jobs, page by page. */
async function* selectedPages(
  { meant, until }: RetryPlan,
  { client, prefix, signal }: OperationContext,
): AsyncGenerator<JobRecord[]> {
  if ('named' in meant) {
    for (const places of pagesOf(meant.named)) {
      signal.throwIfAborted();
      const page = await Promise.all(places.map(({ id, queue }) => readJob(client, prefix, queue, id)));
      yield page.filter((job) => job !== undefined).filter(({ state }) => state === 'failed');
    }
    return;
  }
  yield* failedPages(client, prefix, meant.filter, { until, limit: PAGE, signal });
}

/** Only its chunks tell which jobs of a group have failed, and not expired or been cancelled. */
function atMost(named: NamedJobs): JobEstimate {
  const [group] = groupsOf(named);
  const jobs = group === undefined ? named.total : group.jobsFailed;
  return { jobs, bound: 'most', byState: { failed: jobs }, unread: jobs, newer: 0 };
}

/** The given queues, each with zero jobs. */
function startCounts({ meant }: RetryPlan): Record<string, number> {
  if ('filter' in meant) return Object.fromEntries((meant.filter.queues ?? []).map((queue) => [queue, 0]));
  return Object.fromEntries(
    meant.named.named.map((one) => [one.kind === 'job' ? one.job.queue : one.group.queue, 0]),
  );
}
