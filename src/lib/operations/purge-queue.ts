import { refuseUnknownNames } from '../deployment/known-names.js';
import { partSummary } from '../queue/audit-summary.js';
import { type PurgeState, purge } from '../queue/broker/purge.js';
import { parseJobFilter } from '../queue/read/job-filter.js';
import { countJobs } from '../queue/read/job-list.js';
import { serverNow } from '../redis/server-clock.js';
import { purgedText, sumOf } from './audit-text.js';
import type { Operation, OperationContext } from './operation.js';
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
 * Emptying states of a queue; by default, those of jobs that have not started. The plan has the sizes of the
 * indexes, so its cost does not depend on the number of jobs. Its counts are upper bounds: only the records
 * show which waiting jobs are of a newer layout. The preview reads them, and the outcome counts these jobs.
 * @param asOf jobs that were added or ended later are kept, ms since the epoch by Redis's clock [now]
 */
export function purgeQueue(
  queue: string,
  states: readonly string[] | undefined,
  asOf?: number,
): Operation<PurgePlan, PurgeOutcome> {
  const wanted = PURGE_STATES.filter((state) => (states ?? ['waiting', 'delayed']).includes(state));
  return {
    action: 'purge',
    target: queue,
    detail: wanted.join(', '),
    needsConsent: ({ jobs }) => sumOf(jobs) > 0,
    plan: async (context) => {
      await refuseUnknownNames(context.client, context.prefix, parseJobFilter({ queue: [queue] }));
      return { queue, jobs: await countsOf(context, queue, wanted) };
    },
    preview: (plan, context) => foreseen(plan, context),
    act: async (plan, { client, prefix, signal }, report) => {
      const total = sumOf(plan.jobs);
      const onProgress = (done: number) => report({ kind: 'jobs', done, total });
      const now = asOf ?? (await serverNow(client));
      return { queue, ...(await purge(client, prefix, queue, { states: wanted, signal, onProgress, now })) };
    },
    summary: (outcome) => partSummary(sumOf(outcome.jobs), outcome.newer, purgedText(outcome)),
  };
}

/** The plan without the waiting jobs of a newer layout. */
async function foreseen({ queue, jobs }: PurgePlan, context: OperationContext): Promise<PurgeOutcome> {
  const seen = { ...jobs };
  const waiting = (['waiting', 'delayed'] as const).filter((state) => (jobs[state] ?? 0) > 0);
  if (waiting.length === 0) return { queue, jobs: seen, newer: 0 };
  const filter = parseJobFilter({ queue: [queue], state: waiting });
  let newer = 0;
  for await (const page of scanned(filter, await serverNow(context.client), context)) {
    for (const { state } of page.filter((job) => job.newer !== undefined)) {
      if (state !== 'waiting' && state !== 'delayed') continue;
      seen[state] = Math.max(0, (seen[state] ?? 0) - 1);
      newer += 1;
    }
  }
  return { queue, jobs: seen, newer };
}

async function countsOf(
  { client, prefix }: OperationContext,
  queue: string,
  states: readonly PurgeState[],
): Promise<PurgePlan['jobs']> {
  const counts = states.map(async (state) => {
    const filter = parseJobFilter({ queue: [queue], state: [state] });
    return [state, (await countJobs(client, prefix, filter)).total] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}
