import { count } from '../../core/counts.js';
import { formatDuration } from '../../core/units.js';
import type { QueueRow } from '../../deployment/rows.js';
import type { ListView } from '../output/list-format.js';
import type { Cell } from '../output/table.js';
import { perSecond } from '../output/text.js';
import { latencyCell } from './figure-cells.js';

/** `infer inspect queues`. */
export const queueList: ListView<QueueRow> = {
  columns: [
    {
      title: 'QUEUE',
      cell: ({ name, paused }) => (paused ? { text: `${name} (paused)`, format: 'yellow' } : name),
    },
    { title: 'WAITING', align: 'right', cell: ({ waiting }) => waiting },
    { title: 'BY PRIORITY', cell: priorities },
    { title: 'ACTIVE', align: 'right', cell: ({ active }) => active },
    { title: 'DELAYED', align: 'right', cell: ({ delayed }) => delayed },
    { title: 'FAILED', align: 'right', cell: ({ failed }) => ({ text: failed, format: 'red' }) },
    {
      title: 'COMPLETED',
      align: 'right',
      wide: true,
      cell: ({ completed }) => completed,
    },
    { title: 'EXPIRED', align: 'right', wide: true, cell: ({ expired }) => expired },
    { title: 'CANCELLED', align: 'right', wide: true, cell: ({ cancelled }) => cancelled },
    {
      title: 'OLDEST',
      align: 'right',
      cell: ({ oldestMs }) => (oldestMs === null ? '-' : formatDuration(oldestMs)),
    },
    { title: 'IN', align: 'right', cell: ({ arrivalsPerSecond }) => perSecond(arrivalsPerSecond) },
    { title: 'OUT', align: 'right', cell: ({ ratePerSecond }) => perSecond(ratePerSecond) },
    { title: 'DRAINED IN', align: 'right', cell: drained },
    { title: 'WAIT', cell: ({ lastMinute }) => latencyCell(lastMinute.waitMs) },
    { title: 'RUN', cell: ({ lastMinute }) => latencyCell(lastMinute.runMs) },
    { title: 'TOTAL', cell: ({ lastMinute }) => latencyCell(lastMinute.totalMs) },
  ],
  name: ({ name }) => name,
  empty: 'no queue yet: infer submit makes one',
};

/** Most urgent first, stacked; only priorities that have jobs. */
function priorities({ byPriority }: QueueRow): Cell {
  const values = byPriority
    .map((jobs, priority) => ({ jobs, priority }))
    .filter(({ jobs }) => jobs > 0)
    .reverse()
    .map(({ jobs, priority }) => `${priority}: ${count(jobs)}`);
  return values.length === 0 ? '-' : { values };
}

/** Time until it is empty; never, if more is added than processed. */
export function drained({ etaMs, growing }: Pick<QueueRow, 'etaMs' | 'growing'>): Cell {
  if (growing) return { text: 'growing', format: 'yellow' };
  return etaMs === null ? '-' : formatDuration(etaMs);
}
