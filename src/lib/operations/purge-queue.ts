import { refuseUnknownNames } from '../deployment/known-names.js';
import { partSummary } from '../queue/audit-summary.js';
import { type PurgeState, purge } from '../queue/broker/purge.js';
import { estimateJobs } from '../queue/read/job-estimate.js';
import { parseJobFilter } from '../queue/read/job-filter.js';
import { serverNow } from '../redis/server-clock.js';
import { purgedText, sumOf } from './audit-text.js';
import type { Operation, OperationContext, Report } from './operation.js';
import type { PurgeOutcome, PurgePlan } from './outcomes.js';
import { scanned } from './scanned-pages.js';

export const PURGE_STATES = [
  'waiting',
  'delayed',
  'failed',
  'completed',
  'expired',
  'cancelled',
] as const satisfies readonly PurgeState[];

/**
 * Emptying states of a queue; by default, those of jobs that have not started. The cost of the plan does not depend on
 * the number of jobs: with many of them its counts are upper bounds, as it says, since only the records show which
 * waiting jobs are of a newer layout and which ended ones have expired. The preview reads those of waiting jobs, and
 * the outcome has what was purged.
 * @param asOf jobs that were added or ended later are kept, ms since the epoch by Redis's clock [now]
 */
export function purgeQueue(
  queue: string,
  states: readonly string[] | undefined,
  asOf?: number,
): Operation<PurgePlan, PurgeOutcome, PurgeOutcome> {
  const wanted = PURGE_STATES.filter((state) => (states ?? ['waiting', 'delayed']).includes(state));
  return {
    action: 'purge',
    target: queue,
    detail: wanted.join(', '),
    needsConsent: ({ jobs }) => sumOf(jobs) > 0,
    plan: async ({ client, prefix }) => {
      const filter = parseJobFilter({ queue: [queue], state: wanted });
      await refuseUnknownNames(client, prefix, filter);
      const { byState, bound, newer } = await estimateJobs(client, prefix, filter, { now: asOf });
      const jobs = Object.fromEntries(wanted.map((state) => [state, byState[state] ?? 0]));
      return { queue, jobs, isExact: bound === 'exact', newer };
    },
    preview: (plan, context, report) => foreseen(plan, context, report),
    act: async (plan, { client, prefix, signal }, report) => {
      const total = sumOf(plan.jobs);
      const onProgress = (done: number) => report({ kind: 'jobs', done: Math.min(done, total), total });
      const now = asOf ?? (await serverNow(client));
      return { queue, ...(await purge(client, prefix, queue, { states: wanted, signal, onProgress, now })) };
    },
    summary: (outcome) => partSummary(sumOf(outcome.jobs), outcome.newer, purgedText(outcome)),
  };
}

/** The plan without the waiting jobs of a newer layout. */
async function foreseen(
  { queue, jobs, isExact, newer }: PurgePlan,
  context: OperationContext,
  report: Report,
): Promise<PurgeOutcome> {
  const waiting = (['waiting', 'delayed'] as const).filter((state) => (jobs[state] ?? 0) > 0);
  if (isExact || waiting.length === 0) return { queue, jobs, newer };
  const seen = { ...jobs };
  const filter = parseJobFilter({ queue: [queue], state: waiting });
  const total = waiting.reduce((sum, state) => sum + (jobs[state] ?? 0), 0);
  let [looked, left] = [0, 0];
  for await (const page of scanned(filter, await serverNow(context.client), context)) {
    for (const { state } of page.filter((job) => job.newer !== undefined)) {
      if (state !== 'waiting' && state !== 'delayed') continue;
      seen[state] = Math.max(0, (seen[state] ?? 0) - 1);
      left += 1;
    }
    looked += page.length;
    report({ kind: 'jobs', done: Math.min(looked, total), total });
  }
  return { queue, jobs: seen, newer: left };
}
