import { count, plural } from '../../core/counts.js';
import { printable } from '../../core/printable.js';
import { formatDuration } from '../../core/units.js';
import type { RetryPreview } from '../../operations/retry-jobs.js';
import { renderList } from '../output/list-format.js';
import type { Layout } from '../output/text.js';
import { failedList } from './job-lists.js';

/** `infer retry --dry-run`: how many jobs would run again, by queue, and the first of them. */
export function retryPreviewView(
  { counts, jobs, newer }: RetryPreview,
  timeLimitMs: number | undefined,
  layout: Layout,
  now: number,
): string[] {
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const queues = Object.entries(counts).map(([queue, n]) => `${printable(queue)} ${count(n)}`);
  const by = queues.length === 0 ? '' : `: ${queues.join(', ')}`;
  const limit = timeLimitMs === undefined ? '' : `, with a time limit of ${formatDuration(timeLimitMs)}`;
  const more = total - jobs.length;
  return [
    `would run ${plural(total, 'failed job')} again${total === 0 ? '' : `${limit}${by}`}`,
    ...(newer === 0 ? [] : [`would leave ${plural(newer, 'job')} of a newer infer alone`]),
    ...(jobs.length === 0 ? [] : ['', ...renderList(failedList(now), jobs, 'table', layout)]),
    ...(more > 0 ? [layout.paint('dim', `and ${plural(more, 'more', 'more')}: infer inspect failed`)] : []),
  ];
}
