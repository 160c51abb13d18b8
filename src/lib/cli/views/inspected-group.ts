import { count, plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { GroupDetail } from '../../queue/read/group-detail.js';
import { hintLines } from '../output/sentence.js';
import { facts, heading, type Layout } from '../output/text.js';
import { sendingState } from './group-view.js';
import { isoTime } from './job-lists.js';

/** A bulk submission for display: its progress, the state of its chunks, what failed and why. */
export function inspectedGroupView(group: GroupDetail, layout: Layout, now: number): string[] {
  const { paint } = layout;
  const ended = group.state === 'failed' || group.state === 'cancelled';
  const colour = group.state === 'completed' ? 'green' : ended ? 'red' : 'yellow';
  return [
    `group ${paint('bold', printable(group.id))} ${paint(colour, group.state)}`,
    ...facts(aboutGroup(group), paint),
    '',
    heading('Timeline', paint),
    ...timeline(group, layout, now),
    ...(group.errors.length === 0 ? [] : ['', ...failures(group, layout)]),
  ];
}

function aboutGroup(group: GroupDetail): [string, string][] {
  const rows: [string, string][] = [
    ['queue', printable(group.queue)],
    ['model', printable(group.model)],
    ['priority', String(group.priority)],
    ['rows', progress(group)],
    ['chunks', chunkStates(group)],
  ];
  if (group.rowsPerSecond !== null) {
    const eta = group.etaMs === null ? '' : `, about ${formatDuration(group.etaMs)} to go`;
    rows.push(['rate', `${rate(group.rowsPerSecond)} rows/s${eta}`]);
  }
  if (group.expiresInMs !== null && group.finishedAt !== undefined) {
    rows.push(['kept', `${formatDuration(group.expiresInMs)} more`]);
  }
  return rows;
}

function rate(perSecond: number): string {
  return perSecond >= 10 ? count(perSecond) : perSecond.toFixed(1);
}

function progress(group: GroupDetail): string {
  const { rows, rowsDone, closed } = group;
  if (!closed) return `${count(rowsDone)} done, ${sendingState(group)}`;
  const share = rows === 0 ? '' : ` (${Math.floor((rowsDone / rows) * 100)} %)`;
  return `${count(rowsDone)} of ${count(rows)} done${share}`;
}

function chunkStates({ chunks, jobs, looked }: GroupDetail): string {
  const states = Object.entries(chunks).filter(([, n]) => n > 0);
  const of = looked < jobs ? ` (of the first ${count(looked)} of ${count(jobs)})` : '';
  return `${states.map(([state, n]) => `${count(n)} ${state}`).join(', ') || 'none yet'}${of}`;
}

function timeline(group: GroupDetail, { paint }: Layout, now: number): string[] {
  const { submittedAt, firstStartAt, lastEndAt, finishedAt } = group;
  const events: [number | undefined, string][] = [
    [submittedAt, 'submitted'],
    [firstStartAt, 'first chunk started'],
    [finishedAt === undefined ? lastEndAt : undefined, 'last chunk ended so far'],
    [finishedAt, group.state !== 'completed' ? 'ended with failures' : 'ended'],
  ];
  const known = events.filter((event): event is [number, string] => event[0] !== undefined);
  const lines = known.map(([at, text]) => {
    const after =
      at === submittedAt ? '' : `, ${formatDuration(Math.max(0, at - submittedAt))} after its submit`;
    return `${paint('dim', isoTime(at))}  ${text}${after}`;
  });
  const age = formatDuration(Math.max(0, now - submittedAt));
  return finishedAt === undefined ? [...lines, paint('dim', `it is ${age} old`)] : lines;
}

function failures({ errors, failed, id }: GroupDetail, layout: Layout): string[] {
  const { paint } = layout;
  const total = errors.reduce((sum, { chunks }) => sum + chunks, 0);
  return [
    heading(`${plural(total, 'chunk')} without a full result`, paint),
    ...errors.map(({ code, chunks, example }) => {
      const like = chunks === 1 ? '' : ', such as';
      return `${paint('red', printable(code))} ${count(chunks)}${like} ${printable(example)}`;
    }),
    ...failed.map(({ index, state, attempts, failure }) => {
      const tries = attempts > 1 ? ` after ${attempts} attempts` : '';
      const why = `${printable(failure.code)}: ${printable(failure.message)}`;
      return `${paint('dim', `chunk ${count(index)}`)} ${state}${tries}, ${why}`;
    }),
    ...hintLines(`infer retry ${id}`, layout),
  ];
}
