import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { JobRecord } from '../../queue/broker.js';
import { hintLines, sentence, widthIn } from '../output/sentence.js';
import { renderTable } from '../output/table.js';
import { count, heading, type Layout } from '../output/text.js';

/** Failed jobs of one error code, among those looked at. */
export interface FailureGroup {
  code: string;
  jobs: number;
  queues: string[];
  /** Milliseconds since the epoch of the first and last end seen. */
  firstAt: number;
  lastAt: number;
  /** The last that failed so, and what it said. */
  example: string;
  message: string;
  /** The command that runs them again. */
  fix: string;
}

/** Groups failures by code, the most frequent first. @param failed the last that failed first. */
export function groupFailures(failed: readonly JobRecord[]): FailureGroup[] {
  const groups = new Map<string, FailureGroup>();
  for (const job of failed) {
    const { code, message } = job.failure ?? { code: 'FAILED', message: '' };
    const at = job.finishedAt ?? job.submittedAt;
    const group = groups.get(code);
    if (group === undefined) {
      const example = job.id;
      groups.set(code, {
        code,
        jobs: 1,
        queues: [job.queue],
        firstAt: at,
        lastAt: at,
        example,
        message,
        fix: '',
      });
      continue;
    }
    group.jobs += 1;
    if (!group.queues.includes(job.queue)) group.queues.push(job.queue);
    group.firstAt = Math.min(group.firstAt, at);
    if (at <= group.lastAt) continue;
    Object.assign(group, { lastAt: at, example: job.id, message });
  }
  const sorted = [...groups.values()].sort((a, b) => b.jobs - a.jobs || b.lastAt - a.lastAt);
  for (const group of sorted) group.fix = fixOf(group);
  return sorted;
}

function fixOf({ code, jobs, queues, example }: FailureGroup): string {
  if (jobs === 1) return `infer retry ${example}`;
  return `infer retry --failed -Q ${queues.join(',')} --error ${code}`;
}

/** The summary that comes before the list on a terminal. */
export function failuresView(
  groups: readonly FailureGroup[],
  looked: { looked: number; total: number },
  layout: Layout,
  now: number,
): string[] {
  const { paint } = layout;
  const of =
    looked.looked < looked.total ? `, of the last ${count(looked.looked)} of ${count(looked.total)}` : '';
  const ago = (at: number): string => formatDuration(Math.max(0, now - at));
  return [
    heading(`Failed jobs by error${of}`, paint),
    ...renderTable(
      [
        { title: 'ERROR' },
        { title: 'JOBS', align: 'right' },
        { title: 'FIRST AGO', align: 'right' },
        { title: 'LAST AGO', align: 'right' },
        { title: 'LAST' },
      ],
      groups.map(({ code, jobs, firstAt, lastAt, example }) => [
        { text: code, format: 'red' },
        count(jobs),
        ago(firstAt),
        ago(lastAt),
        example,
      ]),
      layout,
    ),
    ...groups.flatMap(({ code, message, fix }) => [
      ...sentence(`${paint('red', printable(code))} `, message, widthIn(layout)),
      ...hintLines(fix, layout, '  '),
    ]),
    '',
  ];
}
