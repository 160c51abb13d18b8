import { findJobs } from '../../client/find-jobs.js';
import { plural } from '../../core/counts.js';
import { InferError } from '../../core/errors.js';
import { ExitCode } from '../../core/exit-codes.js';
import { type JobState, printable } from '../../core/job.js';
import { refuseUnknownNames } from '../../deployment/known-names.js';
import { Producer } from '../../queue/broker/producer.js';
import { type JobFilter, type JobFilterInput, parseJobFilter } from '../../queue/read/job-filter.js';
import { scanJobs } from '../../queue/read/job-list.js';
import { readJob } from '../../queue/read/reader.js';
import { serverClock } from '../../redis/server-clock.js';
import { worded } from '../../redis/worded.js';
import type { ProgressTarget } from '../output/progress.js';
import type { Deed, Done, Hands } from './control-command.js';
import { workBar } from './work-bar.js';

const PAGE = 1000;
/** Cancelled side by side: each is a short script of its own. */
const TOGETHER = 100;
const CANCELLABLE: readonly JobState[] = ['waiting', 'delayed', 'active'];

interface Meant {
  id: string;
  queue: string;
  state: JobState;
}

/**
 * Cancelling all jobs that a filter means, or that are named, as a deed.
 * @throws InferError REVOKE_WHAT (2) without either, REVOKE_ENDED (2) for states that cannot be
 * cancelled any more.
 */
export function revokeDeed(
  ids: readonly string[] | undefined,
  typed: JobFilterInput,
  target: ProgressTarget,
): Deed {
  const words = Object.entries(typed).filter(([, value]) => value !== undefined);
  if (ids === undefined && words.length === 0) {
    throw new InferError('REVOKE_WHAT', 'say which jobs are meant', {
      hint: 'infer control revoke --model digits --older-than 1h --dry-run; purge empties a whole queue',
      exitCode: ExitCode.Usage,
    });
  }
  const filter = cancellable(parseJobFilter(typed));
  if (ids !== undefined && words.length > 0) {
    throw new InferError('REVOKE_WHAT', 'jobs are either named with --id or meant by a filter', {
      hint: `infer control revoke --id ${ids.map(printable).join(' --id ')}`,
      exitCode: ExitCode.Usage,
    });
  }
  const detail = words.map(([name, value]) => `${name} ${String(value)}`).join(', ');
  return {
    action: 'revoke',
    target: ids?.join(' ') ?? filter.queues?.join(' ') ?? 'all queues',
    detail,
    plan: async (hands) => {
      await refuseUnknownNames(hands.client, hands.prefix, filter);
      const jobs = ids === undefined ? await meantBy(filter, hands) : await namedJobs(ids, hands);
      const open = jobs.filter(({ state }) => CANCELLABLE.includes(state));
      const json = { jobs: open.length, byState: countStates(open), ended: jobs.length - open.length };
      return {
        danger: open.length === 0 ? undefined : `cancels ${stateWords(open)}`,
        preview: () => ({
          lines: [open.length === 0 ? 'no job to cancel' : `would cancel ${stateWords(open)}`],
          json,
        }),
        act: () => cancelAll(open, hands, target),
      };
    },
  };
}

function cancellable(filter: JobFilter): JobFilter {
  const states = filter.states.filter((state) => CANCELLABLE.includes(state));
  if (states.length > 0) return { ...filter, states };
  throw new InferError(
    'REVOKE_ENDED',
    `jobs that are ${filter.states.join(' or ')} have ended: they cannot be cancelled`,
    {
      hint: 'infer control purge QUEUE --state failed forgets them',
      exitCode: ExitCode.Usage,
    },
  );
}

async function meantBy(filter: JobFilter, { client, prefix, signal }: Hands): Promise<Meant[]> {
  const found = new Map<string, Meant>();
  let cursor: string | undefined;
  do {
    signal.throwIfAborted();
    const page = await scanJobs(client, prefix, filter, { limit: PAGE, cursor });
    for (const { id, queue, state } of page.jobs) found.set(`${queue} ${id}`, { id, queue, state });
    cursor = page.next;
  } while (cursor !== undefined);
  return [...found.values()];
}

async function namedJobs(ids: readonly string[], { client, prefix }: Hands): Promise<Meant[]> {
  const { jobs } = await findJobs(client, prefix, ids);
  const records = await Promise.all(jobs.map(({ id, queue }) => readJob(client, prefix, queue, id)));
  return records
    .filter((record) => record !== undefined)
    .map(({ id, queue, state }) => ({ id, queue, state }));
}

async function cancelAll(jobs: readonly Meant[], hands: Hands, target: ProgressTarget): Promise<Done> {
  const { client, prefix, signal } = hands;
  const producer = new Producer(client, prefix, serverClock(client));
  const bar = workBar(target, 'cancelling', jobs.length);
  const states: Record<string, number> = {};
  try {
    for (let from = 0; from < jobs.length; from += TOGETHER) {
      signal.throwIfAborted();
      const some = jobs.slice(from, from + TOGETHER);
      const after = await worded(
        client,
        Promise.all(some.map(({ id, queue }) => producer.cancel(queue, id))),
      );
      for (const state of after) states[state ?? 'gone'] = (states[state ?? 'gone'] ?? 0) + 1;
      bar.add(some.length);
    }
  } finally {
    bar.finish();
    await producer.close();
  }
  const { cancelled = 0, active = 0 } = states;
  const late = jobs.length - cancelled - active;
  const parts = [
    `${plural(cancelled, 'job')} cancelled`,
    ...(active > 0
      ? [`${active} running ${active === 1 ? 'is' : 'are'} being stopped by their workers`]
      : []),
    ...(late > 0 ? [`${late} had ended meanwhile`] : []),
  ];
  const said = jobs.length === 0 ? 'no job to cancel' : parts.join(', ');
  return { lines: [said], json: { cancelled, active, ended: late }, ok: true, result: said };
}

function countStates(jobs: readonly Meant[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of jobs) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** `3 jobs (2 waiting, 1 active)`. */
function stateWords(jobs: readonly Meant[]): string {
  const states = Object.entries(countStates(jobs)).map(([state, many]) => `${many} ${state}`);
  return `${plural(jobs.length, 'job')} (${states.join(', ')})`;
}
