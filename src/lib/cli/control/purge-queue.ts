import { count, plural } from '../../core/counts.js';
import { refuseUnknownNames } from '../../deployment/known-names.js';
import { type PurgeState, purge } from '../../queue/broker/purge.js';
import { parseJobFilter } from '../../queue/read/job-filter.js';
import { countJobs } from '../../queue/read/job-list.js';
import { serverNow } from '../../redis/server-clock.js';
import type { ProgressTarget } from '../output/progress.js';
import type { Deed, Hands } from './control-command.js';
import { workBar } from './work-bar.js';

export const PURGE_STATES = [
  'waiting',
  'delayed',
  'failed',
  'completed',
  'expired',
  'cancelled',
] as const satisfies readonly PurgeState[];

type Counts = Partial<Record<PurgeState, number>>;

/** Emptying states of a queue as a deed; without states what has not started. */
export function purgeDeed(
  queue: string,
  states: readonly string[] | undefined,
  target: ProgressTarget,
): Deed {
  const wanted = PURGE_STATES.filter((state) => (states ?? ['waiting', 'delayed']).includes(state));
  return {
    action: 'purge',
    target: queue,
    detail: wanted.join(', '),
    plan: async (hands) => {
      const { client, prefix, signal } = hands;
      await refuseUnknownNames(client, prefix, parseJobFilter({ queue: [queue] }));
      const there = await countsOf(hands, queue, wanted);
      const total = sum(there);
      return {
        danger: total === 0 ? undefined : `${deedWords(there)} of ${queue} for good`,
        preview: () => ({
          lines: [total === 0 ? `nothing to purge in ${queue}` : `would purge ${words(there)} of ${queue}`],
          json: { queue, jobs: there },
        }),
        act: async () => {
          const bar = workBar(target, 'purging', total);
          let done: Counts;
          try {
            const onProgress = (jobs: number) => bar.set(jobs);
            done = await purge(client, prefix, queue, {
              states: wanted,
              signal,
              onProgress,
              now: await serverNow(client),
            });
          } finally {
            bar.finish();
          }
          const said = sum(done) === 0 ? `nothing to purge in ${queue}` : `purged ${words(done)} of ${queue}`;
          return { lines: [said], json: { queue, jobs: done }, ok: true, result: said };
        },
      };
    },
  };
}

async function countsOf(
  { client, prefix }: Hands,
  queue: string,
  states: readonly PurgeState[],
): Promise<Counts> {
  const counts = states.map(async (state) => {
    const filter = parseJobFilter({ queue: [queue], state: [state] });
    return [state, (await countJobs(client, prefix, filter)).total] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}

function sum(counts: Counts): number {
  return Object.values(counts).reduce((total, jobs) => total + jobs, 0);
}

/** `1,200 waiting and 3 delayed jobs`. */
function words(counts: Counts): string {
  const parts = Object.entries(counts).filter(([, jobs]) => jobs > 0);
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return plural(only[1], `${only[0]} job`);
  const last = parts.pop();
  return `${parts.map(([state, jobs]) => `${count(jobs)} ${state}`).join(', ')} and ${count(last?.[1] ?? 0)} ${last?.[0]} jobs`;
}

function deedWords(counts: Counts): string {
  const cancels = (counts.waiting ?? 0) + (counts.delayed ?? 0) > 0;
  const forgets = sum(counts) > (counts.waiting ?? 0) + (counts.delayed ?? 0);
  const verb = cancels && forgets ? 'cancels or forgets' : cancels ? 'cancels' : 'forgets';
  return `${verb} ${words(counts)}`;
}
