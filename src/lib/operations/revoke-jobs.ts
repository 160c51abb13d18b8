import { InferError } from '../core/errors.js';
import { isOpen, type JobState, printable } from '../core/job.js';
import { refuseUnknownNames } from '../deployment/known-names.js';
import { partSummary } from '../queue/audit-summary.js';
import { Producer } from '../queue/broker/producer.js';
import { layoutNewer } from '../queue/layout.js';
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

export interface RevokePlan {
  meant: { named: NamedJobs } | { filter: JobFilter };
  /** Milliseconds since the epoch, by Redis's clock: jobs submitted later are not included. */
  at: number;
  /** Jobs that can be cancelled: total and by state. */
  jobs: number;
  byState: Partial<Record<JobState, number>>;
  /** How many of the given jobs have ended. */
  ended: number;
  /** Jobs of a newer layout, which are left alone: only that release can cancel them. */
  newer: number;
}

/** Each pass leaves at most half of a list. */
const MOST_PASSES = 20;

/**
 * Cancelling many jobs, a page at a time.
 * @throws InferError REVOKE_ENDED (2) for states that can no longer be cancelled, LAYOUT_NEWER (69) for a
 *   single job given by its id that is of a newer layout.
 * @param asOf jobs submitted later are not included, ms since the epoch by Redis's clock [now]
 */
export function revokeJobs(wish: RevokeWish, asOf?: number): Operation<RevokePlan, RevokedJobs> {
  const filter = 'ids' in wish ? undefined : cancellable(wish.filter);
  return {
    action: 'revoke',
    target: 'ids' in wish ? wish.ids.join(' ') : (filter?.queues?.join(' ') ?? 'all queues'),
    detail: 'ids' in wish ? '' : wish.detail,
    needsConsent: ({ jobs }) => jobs > 0,
    plan: async (context) => {
      const { client, prefix } = context;
      if (filter !== undefined) await refuseUnknownNames(client, prefix, filter);
      const at = asOf ?? (await serverNow(client));
      const meant =
        'ids' in wish
          ? { named: await findNamedJobs(client, prefix, wish.ids) }
          : { filter: filter as JobFilter };
      const byState: RevokePlan['byState'] = {};
      let [ended, newer] = [0, 0];
      let last: JobRecord | undefined;
      const pages = 'named' in meant ? namedJobs(meant.named, context) : scanned(meant.filter, at, context);
      for await (const jobs of pages) {
        for (const { state, newer: layout } of jobs) {
          if (!isOpen(state)) ended += 1;
          else if (layout !== undefined) newer += 1;
          else byState[state] = (byState[state] ?? 0) + 1;
        }
        last = jobs[0] ?? last;
      }
      if ('named' in meant && meant.named.total === 1 && newer === 1 && last?.newer !== undefined) {
        throw layoutNewer(`job ${printable(last.id)}`, last.newer);
      }
      const jobs = Object.values(byState).reduce((sum, n) => sum + n, 0);
      return { meant, at, jobs, byState, ended, newer };
    },
    preview: async (plan) => plan,
    act: async (plan, context, report) => {
      const canceller = new Canceller(context, plan.jobs, report);
      try {
        if ('named' in plan.meant) {
          for await (const page of namedJobs(plan.meant.named, context)) {
            await canceller.cancel(page.filter(canBeCancelled));
          }
        } else await cancelMeant(plan.meant.filter, plan.at, context, canceller);
      } finally {
        await canceller.close();
      }
      const { cancelled, active } = canceller;
      const ended = Math.max(0, plan.jobs - cancelled - active);
      return { cancelled, active, ended, newer: plan.newer };
    },
    summary: (outcome) =>
      partSummary(outcome.cancelled + outcome.active, outcome.newer, revokedText(outcome)),
  };
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
 */
async function cancelMeant(
  filter: JobFilter,
  at: number,
  context: OperationContext,
  canceller: Canceller,
): Promise<void> {
  const waiting = { ...filter, states: filter.states.filter((state) => state !== 'active') };
  if (waiting.states.length > 0) {
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      const before = canceller.cancelled;
      for await (const page of scanned(waiting, at, context, true)) {
        await canceller.cancel(page.filter(canBeCancelled));
      }
      if (canceller.cancelled === before) break;
    }
  }
  if (!filter.states.includes('active')) return;
  const running: JobPlace[] = [];
  for await (const page of scanned({ ...filter, states: ['active'] }, at, context)) {
    running.push(...page.filter(canBeCancelled).map(({ id, queue }) => ({ id, queue })));
  }
  await canceller.cancel(running);
}

class Canceller {
  cancelled = 0;
  active = 0;
  private done = 0;
  private readonly producer: Producer;

  constructor(
    private readonly context: OperationContext,
    private readonly total: number,
    private readonly report: Report,
  ) {
    this.producer = new Producer(context.client, context.prefix, serverClock(context.client));
  }

  async cancel(jobs: readonly JobPlace[]): Promise<void> {
    const { signal } = this.context;
    const { done, cancelled, active, total } = this;
    const onPage = (more: number, changed: number) => {
      this.done = done + more;
      const together = cancelled + active + changed;
      this.report({ kind: 'jobs', done: Math.min(this.done, total), changed: together, total });
    };
    const states = await this.producer.cancelAll(jobs, { signal, onPage });
    this.cancelled += states.cancelled ?? 0;
    this.active += states.active ?? 0;
  }

  close(): Promise<void> {
    return this.producer.close();
  }
}
