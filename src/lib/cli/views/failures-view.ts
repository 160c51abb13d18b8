import { count } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { FailureGroup } from '../../deployment/failures.js';
import { hintLines, sentence, widthIn } from '../output/sentence.js';
import { renderTable } from '../output/table.js';
import { heading, type Layout } from '../output/text.js';

/** The summary above the list on a terminal. */
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
