import type { Scored } from '../../client/score/score.js';
import { count, plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { facts, type Layout } from '../output/text.js';

/** What was written. In a pipe and with `--quiet` only the name of the output. */
export function scoreView(
  scored: Scored & { output: string; tookMs: number },
  { tty, paint }: Layout,
  quiet: boolean,
): string[] {
  const { output, rows, rowsFailed, model, queue, group, tookMs } = scored;
  if (quiet || !tty) return [printable(output)];
  const ms = Math.max(1, tookMs);
  const failed = rowsFailed === 0 ? '' : `, ${count(rowsFailed)} failed`;
  return [
    `${paint('bold', printable(output))} ${paint(rowsFailed === 0 ? 'green' : 'yellow', `${plural(rows, 'row')}${failed}`)}`,
    ...facts(
      [
        ['model', printable(model)],
        ['queue', printable(queue)],
        ['group', printable(group)],
        ['took', `${formatDuration(ms)}, ${count(Math.round((rows / ms) * 1000))} rows/s`],
      ],
      paint,
    ),
  ];
}
