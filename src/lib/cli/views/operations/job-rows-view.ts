import { plural } from '../../../core/counts.js';
import { ExitCode } from '../../../core/exit-codes.js';
import type { Priority } from '../../../core/job.js';
import type { MovePlan } from '../../../operations/move-jobs.js';
import type { NamedJobs } from '../../../operations/named-jobs.js';
import {
  codeOf,
  isMoved,
  isPrioritised,
  type JobRow,
  type MovedJobs,
  type PrioritisedJobs,
  tally,
} from '../../../operations/outcomes.js';
import type { MoveOutcome } from '../../../queue/broker/move.js';
import type { PriorityOutcome } from '../../../queue/broker/set-priority.js';
import type { Layout } from '../../output/text.js';
import { outcomesView } from '../control-view.js';
import type { OperationView, Shown } from './view.js';

const NOT_MOVED: Partial<Record<MoveOutcome, string>> = {
  'same queue': 'is already there',
  'not waiting': 'is no longer waiting: it stays where it is',
  unknown: 'no longer exists',
  newer: 'was submitted by a newer infer: upgrade this one to move it',
  'id taken': 'the queue has a job of this id: it stays where it is',
  'being moved': 'is already being moved there',
  'group open': 'its group is still being written: it stays where it is',
  'chunk in a Cluster': 'is part of a group, which cannot be spread over a Cluster: it stays where it is',
};

export const moveView: OperationView<MovePlan, MovedJobs, MovedJobs> = {
  label: 'moving',
  danger: ({ to, jobs }) => `moves ${plural(jobs.total, 'job')} to ${to}`,
  warnings: ({ to, served }) => (served ? [] : [`no worker serves ${to}: jobs there wait until one does`]),
  preview: (moved, layout) => movedRows(moved, 'would go to', layout),
  done: (moved, layout) => movedRows(moved, 'moved to', layout),
};

function movedRows({ to, jobs }: MovedJobs, moved: string, layout: Layout): Shown {
  return shown(jobs, isMoved, (outcome) => NOT_MOVED[outcome] ?? `${moved} ${to}`, { to }, layout);
}

export const priorityView: OperationView<NamedJobs, PrioritisedJobs, PrioritisedJobs> = {
  label: 'changing',
  preview: (given, layout) => prioritisedRows(given, 'would have', layout),
  done: (given, layout) => prioritisedRows(given, 'has', layout),
};

function prioritisedRows({ priority, jobs }: PrioritisedJobs, has: string, layout: Layout): Shown {
  const words = wordsOf(priority, has);
  return shown(jobs, isPrioritised, (outcome) => words[outcome], { priority }, layout);
}

function wordsOf(priority: Priority, has: string): Record<PriorityOutcome, string> {
  return {
    changed: `${has} priority ${priority}`,
    same: `has priority ${priority} already`,
    'not waiting': 'is no longer waiting: nothing to change',
    newer: 'was submitted by a newer infer: upgrade this one to change it',
    unknown: 'no longer exists',
  };
}

function shown<Outcome extends string>(
  jobs: readonly JobRow<Outcome>[],
  isWell: (outcome: Outcome) => boolean,
  textOf: (outcome: Outcome) => string,
  what: Record<string, unknown>,
  layout: Layout,
): Shown {
  const rows = jobs.map(({ id, queue, outcome }) => ({
    id,
    queue,
    ok: isWell(outcome),
    text: textOf(outcome),
  }));
  const ends = { ok: undefined, partial: ExitCode.Partial, failed: ExitCode.Negative };
  return {
    lines: outcomesView(rows, layout),
    // The command's exit code is 1 or 3; the reason is in the row.
    json: { ...what, jobs: jobs.map((job) => ({ ...job, code: codeOf(job.outcome) })) },
    exitCode: ends[tally(jobs, isWell).outcome],
  };
}
