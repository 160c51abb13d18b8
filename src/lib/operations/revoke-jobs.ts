import { InferError } from '../core/errors.js';
import { isOpen, type JobState, printable } from '../core/job.js';
import { refuseUnknownNames } from '../deployment/known-names.js';
import { partSummary } from '../queue/audit-summary.js';
import { Producer } from '../queue/broker/producer.js';
import { layoutNewer } from '../queue/layout.js';
import { estimateJobs, type JobEstimate } from '../queue/read/job-estimate.js';
import type { JobFilter } from '../queue/read/job-filter.js';
import { readJob } from '../queue/read/reader.js';
import type { JobRecord } from '../queue/types.js';
import { serverClock, serverNow } from '../redis/server-clock.js';
import { revokedText } from './audit-text.js';
import { findNamedJobs, type JobPlace, type NamedJobs, pagesOf } from './named-jobs.js';
import type { Operation, OperationContext, Report } from './operation.js';
import type { RevokedJobs } from './outcomes.js';
import { scanned } from './scanned-pages.js';

/** Jobs to cancel: those with these ids, or all that a filter selects. */
export type RevokeWish = { ids: readonly string[] } | { filter: JobFilter; detail: string };

/** The jobs that can be cancelled: exact for given ids, an estimate for a filter. */
export interface RevokePlan extends JobEstimate {
  meant: { named: NamedJobs } | { filter: JobFilter };
  /** Milliseconds since the epoch, by Redis's clock: jobs submitted later are not included. */
  at: number;
  /** How many of the given jobs have ended. */
  ended: number;
}

/** What a revoke would cancel, counted job by job. */
export interface RevokePreview {
  jobs: number;
  byState: Partial<Record<JobState, number>>;
  /** How many of the given jobs have ended. */
  ended: number;
  /** Jobs of a newer layout, which are left alone: only that release can cancel them. */
  newer: number;
}

export interface RevokeOptions {
  /** Jobs submitted later are not included, ms since the epoch by Redis's clock [now]. */
  asOf?: number;
  /** It cancels no more jobs than this [all that are meant]. */
  most?: number;
}

/** Each pass leaves at most half of a list. */
const MOST_PASSES = 20;

/**
 * Cancelling many jobs, a page at a time. The plan of a filter is bounded in cost: it may be an upper or a lower
 * bound, as it says. The preview counts them all.
 * @throws InferError REVOKE_ENDED (2) for states that can no longer be cancelled, LAYOUT_NEWER (69) for a
 *   single job given by its id that is of a newer layout.
 */
export function revokeJobs(
  wish: RevokeWish,
  { asOf, most = Number.POSITIVE_INFINITY }: RevokeOptions = {},
): Operation<RevokePlan, RevokedJobs, RevokePreview> {
  const filter = 'ids' in wish ? undefined : cancellable(wish.filter);
  return {
    action: 'revoke',
    target: 'ids' in wish ? wish.ids.join(' ') : (filter?.queues?.join(' ') ?? 'all queues'),
    detail: 'ids' in wish ? '' : wish.detail,
    needsConsent: ({ jobs, unread }) => jobs + unread > 0,
    plan: async (context) => {
      const { client, prefix } = context;
      if (filter !== undefined) await refuseUnknownNames(client, prefix, filter);
      const at = asOf ?? (await serverNow(client));
      if ('ids' in wish) return planNamed(await findNamedJobs(client, prefix, wish.ids), at, context);
      const meant = filter as JobFilter;
      const isMeant = ({ submittedAt }: JobRecord) => submittedAt <= at;
      const estimate = await estimateJobs(client, prefix, meant, { now: at, isMeant });
      return { ...estimate, meant: { filter: meant }, at, ended: 0 };
    },
    preview: async ({ meant, at, jobs, byState, bound, ended, newer }, context, report) => {
      if ('named' in meant || bound === 'exact') return { jobs, byState, ended, newer };
      const total = bound === 'most' ? jobs : undefined;
      const onPage = (done: number) => report({ kind: 'jobs', done, total });
      return (await countPages(scanned(meant.filter, at, context), onPage)).counted;
    },
    act: async (plan, context, report) => {
      const canceller = new Canceller(context, plan, most, report);
      let { newer } = plan;
      try {
        if ('named' in plan.meant) {
          for await (const page of namedJobs(plan.meant.named, context)) {
            await canceller.cancel(page.filter(canBeCancelled));
          }
        } else newer = await cancelMeant(plan.meant.filter, plan.at, context, canceller);
      } finally {
        await canceller.close();
      }
      const { cancelled, active } = canceller;
      // Jobs that ended before they were met are known only if all were counted.
      const ended = plan.bound === 'exact' ? Math.max(0, plan.jobs - cancelled - active) : canceller.ended;
      return { cancelled, active, ended, newer };
    },
    summary: (outcome) =>
      partSummary(outcome.cancelled + outcome.active, outcome.newer, revokedText(outcome)),
  };
}

async function planNamed(named: NamedJobs, at: number, context: OperationContext): Promise<RevokePlan> {
  const { counted, last } = await countPages(namedJobs(named, context));
  if (named.total === 1 && counted.newer === 1 && last?.newer !== undefined) {
    throw layoutNewer(`job ${printable(last.id)}`, last.newer);
  }
  return { ...counted, bound: 'exact', unread: 0, meant: { named }, at };
}

async function countPages(
  pages: AsyncIterable<readonly JobRecord[]>,
  onPage: (jobs: number) => void = () => undefined,
): Promise<{ counted: RevokePreview; last: JobRecord | undefined }> {
  const byState: RevokePreview['byState'] = {};
  let [jobs, ended, newer] = [0, 0, 0];
  let last: JobRecord | undefined;
  for await (const page of pages) {
    for (const job of page) {
      if (!isOpen(job.state)) ended += 1;
      else if (job.newer !== undefined) newer += 1;
      else {
        byState[job.state] = (byState[job.state] ?? 0) + 1;
        jobs += 1;
      }
    }
    last = page[0] ?? last;
    onPage(jobs);
  }
  return { counted: { jobs, byState, ended, newer }, last };
}

const canBeCancelled = ({ state, newer }: JobRecord): boolean => isOpen(state) && newer === undefined;

function cancellable(filter: JobFilter): JobFilter {
  const states = filter.states.filter(isOpen);
  if (states.length > 0) return { ...filter, states };
  throw new InferError(
    'REVOKE_ENDED',
    `jobs that are ${filter.states.join(' or ')} have ended: they cannot be cancelled`,
    {
      hint: 'infer control purge QUEUE --state failed forgets them',
    },
  );
}

/** Those of the given jobs that exist, page by page. */
async function* namedJobs(
  named: NamedJobs,
  { client, prefix, signal }: OperationContext,
): AsyncGenerator<JobRecord[]> {
  for (const page of pagesOf(named)) {
    signal.throwIfAborted();
    const records = await Promise.all(page.map(({ id, queue }) => readJob(client, prefix, queue, id)));
    yield records.filter((record) => record !== undefined);
  }
}

/**
 * Delayed jobs first, then waiting, then active ones, so that a job that moves on meanwhile is met at its
 * next state. Waiting jobs are scanned until a pass finds none, since lists move up when jobs leave them.
 * Active jobs are limited to what workers hold, so they are listed first and asked afterwards.
 * Returns how many are of a newer layout and were left alone.
 */
async function cancelMeant(
  filter: JobFilter,
  at: number,
  context: OperationContext,
  canceller: Canceller,
): Promise<number> {
  const waiting = { ...filter, states: filter.states.filter((state) => state !== 'active') };
  let left = 0;
  for (let pass = 0; waiting.states.length > 0 && pass < MOST_PASSES; pass++) {
    const before = canceller.cancelled;
    // Each pass meets all that are left alone.
    left = 0;
    for await (const page of scanned(waiting, at, context, true)) {
      left += page.filter(({ newer }) => newer !== undefined).length;
      await canceller.cancel(page.filter(canBeCancelled));
      if (canceller.isFull) return left;
    }
    if (canceller.cancelled === before) break;
  }
  if (!filter.states.includes('active')) return left;
  const running: JobPlace[] = [];
  for await (const page of scanned({ ...filter, states: ['active'] }, at, context)) {
    left += page.filter(({ newer }) => newer !== undefined).length;
    running.push(...page.filter(canBeCancelled).map(({ id, queue }) => ({ id, queue })));
  }
  await canceller.cancel(running);
  return left;
}

class Canceller {
  cancelled = 0;
  active = 0;
  /** Those that had ended when it was their turn. */
  ended = 0;
  private done = 0;
  private readonly total: number | undefined;
  private readonly producer: Producer;

  constructor(
    private readonly context: OperationContext,
    plan: JobEstimate,
    private readonly most: number,
    private readonly report: Report,
  ) {
    this.total = plan.bound === 'least' ? undefined : plan.jobs;
    this.producer = new Producer(context.client, context.prefix, serverClock(context.client));
  }

  /** It has cancelled as many as it may. */
  get isFull(): boolean {
    return this.cancelled + this.active >= this.most;
  }

  async cancel(meant: readonly JobPlace[]): Promise<void> {
    const { signal } = this.context;
    const { done, cancelled, active, total } = this;
    const jobs = meant.slice(0, Math.max(0, this.most - cancelled - active));
    const onPage = (more: number, changed: number) => {
      this.done = done + more;
      const together = cancelled + active + changed;
      this.report({ kind: 'jobs', done: Math.min(this.done, total ?? this.done), changed: together, total });
    };
    const states = await this.producer.cancelAll(jobs, { signal, onPage });
    this.cancelled += states.cancelled ?? 0;
    this.active += states.active ?? 0;
    const left = (states.newer ?? 0) + (states.unknown ?? 0);
    this.ended += jobs.length - left - (states.cancelled ?? 0) - (states.active ?? 0);
  }

  close(): Promise<void> {
    return this.producer.close();
  }
}
