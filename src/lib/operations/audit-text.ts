import { count, plural } from '../core/counts.js';
import { formatDuration } from '../core/units.js';
import { newerText } from '../queue/audit-summary.js';
import {
  type ForgottenWork,
  isMoved,
  isPrioritised,
  type MovedJobs,
  type OrderedWorkers,
  type PauseOutcome,
  type PrioritisedJobs,
  type PurgeOutcome,
  type PurgePlan,
  type QueueRepaired,
  type RevokedJobs,
  type ServerChanged,
  type WorkerOutcome,
} from './outcomes.js';

/*
 * The outcome of each operation in one line: the result kept in the audit log. Produced when the entry is
 * written, from the outcome alone. Views show the same lines. Cancels and retries: `queue/audit-summary.ts`.
 */

/** `batch paused: 3 jobs waiting`. @param verb replaces the verb for a change that has not been made yet */
export function pausedText(
  { queue, paused, changed, waiting, active, served }: PauseOutcome,
  verb = paused ? 'paused' : 'resumed',
): string {
  const jobs = `${plural(waiting, 'job')} waiting`;
  const running = active === 0 ? '' : `, ${active} still running`;
  const idle = served || paused ? '' : ', and no worker serves it';
  if (!changed) return `${queue} is ${paused ? 'already paused' : 'not paused'}: ${jobs}${idle}`;
  return `${queue} ${verb}: ${jobs}${paused ? running : idle}`;
}

export function purgedText({ queue, jobs, newer }: PurgeOutcome): string {
  const some = sumOf(jobs) === 0 ? `nothing to purge in ${queue}` : `purged ${jobsByState(jobs)} of ${queue}`;
  return [some, ...newerText(newer)].join(', ');
}

/** `1,200 waiting and 3 delayed jobs`. */
export function jobsByState(counts: PurgePlan['jobs']): string {
  const parts = Object.entries(counts).filter(([, jobs]) => jobs > 0);
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return plural(only[1], `${only[0]} job`);
  const last = parts.pop();
  return `${parts.map(([state, jobs]) => `${count(jobs)} ${state}`).join(', ')} and ${count(last?.[1] ?? 0)} ${last?.[0]} jobs`;
}

export function repairedText({ queue, putAway, placed }: QueueRepaired): string {
  const parts = Object.entries(placed).filter(([, jobs]) => jobs > 0);
  if (parts.length === 0)
    return putAway.length === 0 ? `nothing to repair in ${queue}` : `${queue} is repaired`;
  return `${queue} is repaired, jobs put back: ${parts.map(([state, jobs]) => `${jobs} ${state}`).join(', ')}`;
}

export function movedText({ to, jobs }: MovedJobs): string {
  const there = jobs.filter(({ outcome }) => isMoved(outcome)).length;
  return `in ${to}: ${there} of ${plural(jobs.length, 'job')}`;
}

export function prioritisedText({ priority, jobs }: PrioritisedJobs): string {
  const well = jobs.filter(({ outcome }) => isPrioritised(outcome)).length;
  return `priority ${priority}: ${well} of ${plural(jobs.length, 'job')}`;
}

export function revokedText({ cancelled, active, ended, newer }: RevokedJobs): string {
  if (cancelled + active + ended + newer === 0) return 'no job to cancel';
  return [
    `${plural(cancelled, 'job')} cancelled`,
    ...(active > 0
      ? [
          active === 1
            ? '1 running job is being stopped by its worker'
            : `${active} running jobs are being stopped by their workers`,
        ]
      : []),
    ...(ended > 0 ? [`${ended} had ended meanwhile`] : []),
    ...newerText(newer),
  ].join(', ');
}

export function forgottenText({ jobs }: ForgottenWork): string {
  return `${plural(jobs, 'job')} deleted`;
}

export function orderedText({ workers }: OrderedWorkers): string {
  return workers.map((worker) => `${worker.name}: ${workerText(worker)}`).join('; ');
}

/** One worker's answer, or how long it took. */
export function workerText({ state, said, silentMs = 0, waited }: WorkerOutcome): string {
  if (state === 'silent') return `no answer within ${formatDuration(silentMs)}`;
  if (waited === undefined) return said;
  const time = formatDuration(waited.ms);
  if (state === 'busy') return `${said}; not yet after ${time}`;
  return `${waited.until === 'gone' ? 'ended' : 'ready again'} after ${time}`;
}

export function changedServerText({ what, count: settings, verified, persisted }: ServerChanged): string {
  const set = verified ? 'set and read back' : 'set, and read back as something else';
  const done = what === 'user' ? ['made'] : settings > 0 ? [set] : [];
  const kept = persisted === null ? [] : [persisted ? 'persisted' : 'not persisted'];
  return [...done, ...kept].join(', ');
}

export function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, jobs) => total + jobs, 0);
}
