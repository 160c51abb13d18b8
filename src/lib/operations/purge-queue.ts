import { refuseUnknownNames } from '../deployment/known-names.js';
import { type PurgeState, purge } from '../queue/broker/purge.js';
import { parseJobFilter } from '../queue/read/job-filter.js';
import { countJobs } from '../queue/read/job-list.js';
import { serverNow } from '../redis/server-clock.js';
import { purgedText, sumOf } from './audit-text.js';
import type { Operation, OperationContext } from './operation.js';
import type { PurgeOutcome } from './outcomes.js';

export const PURGE_STATES = [
  'waiting',
  'delayed',
  'failed',
  'completed',
  'expired',
  'cancelled',
] as const satisfies readonly PurgeState[];

/**
 * Emptying states of a queue; by default, those of jobs that have not started.
 * @param asOf jobs that were added or ended later are kept, ms since the epoch by Redis's clock [now]
 */
export function purgeQueue(
  queue: string,
  states: readonly string[] | undefined,
  asOf?: number,
): Operation<PurgeOutcome, PurgeOutcome> {
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
    preview: async (plan) => plan,
    act: async (plan, { client, prefix, signal }, report) => {
      const total = sumOf(plan.jobs);
      const onProgress = (done: number) => report({ kind: 'jobs', done, total });
      const now = asOf ?? (await serverNow(client));
      return { queue, jobs: await purge(client, prefix, queue, { states: wanted, signal, onProgress, now }) };
    },
    summary: (outcome) => ({ count: sumOf(outcome.jobs), outcome: 'ok', result: purgedText(outcome) }),
  };
}

async function countsOf(
  { client, prefix }: OperationContext,
  queue: string,
  states: readonly PurgeState[],
): Promise<PurgeOutcome['jobs']> {
  const counts = states.map(async (state) => {
    const filter = parseJobFilter({ queue: [queue], state: [state] });
    return [state, (await countJobs(client, prefix, filter)).total] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}
