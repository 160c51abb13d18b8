import { count } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { GroupRecord } from '../../queue/types.js';
import { facts, type Layout } from '../output/text.js';

/** Whether an open group is still being sent. */
export function sendingState({ state, submitterGoneMs: gone }: GroupRecord): string {
  if (state === 'cancelled') return 'not all of it was submitted';
  if (gone === undefined) return 'still being submitted';
  return `its submit stopped ${formatDuration(gone)} ago before the end`;
}

/** What to do about an open group whose submitter has exited. */
export function resumeHint(group: GroupRecord): string | undefined {
  if (group.closed || group.submitterGoneMs === undefined || group.state === 'cancelled') return undefined;
  const id = printable(group.id);
  return `submit the same rows again with --id ${id}, or infer cancel ${id}`;
}

/** A bulk submission at a glance. */
export function groupView(group: GroupRecord, { paint }: Layout): string[] {
  const ended = group.state === 'failed' || group.state === 'cancelled';
  const colour = group.state === 'completed' ? 'green' : ended ? 'red' : 'yellow';
  const total = group.closed ? ` of ${count(group.rows)}` : ` so far, ${sendingState(group)}`;
  const rows: [string, string][] = [
    ['queue', printable(group.queue)],
    ['model', printable(group.model)],
    ['rows done', `${count(group.rowsDone)}${total}`],
  ];
  if (group.startAt !== undefined) rows.push(['starts', new Date(group.startAt).toISOString()]);
  if (group.jobsFailed > 0) rows.push(['jobs failed', `${count(group.jobsFailed)} of ${count(group.jobs)}`]);
  if (group.finishedAt !== undefined) {
    const ms = Math.max(1, group.finishedAt - group.submittedAt);
    rows.push(['took', `${formatDuration(ms)}, ${count(Math.round((group.rowsDone / ms) * 1000))} rows/s`]);
  }
  return [`group ${paint('bold', printable(group.id))} ${paint(colour, group.state)}`, ...facts(rows, paint)];
}
