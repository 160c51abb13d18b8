import type { FiguresJson } from '../inspect/figures.js';
import type { StatRow } from '../inspect/rows.js';
import type { ListView } from '../output/list-format.js';
import { batchCell, closedCell, latencyCell, rateCell } from './figure-cells.js';

/** A row of the table: the figures of one queue, or one worker's share, over one time. */
export interface StatLine extends Pick<StatRow, 'queue' | 'worker'> {
  over: 'minute' | 'start';
  figures: FiguresJson;
}

/** `infer inspect stats`. */
export const statList: ListView<StatLine> = {
  columns: [
    { title: 'QUEUE', cell: ({ queue }) => queue },
    { title: 'WORKER', key: true, cell: ({ worker }) => worker ?? { text: 'all', format: 'bold' } },
    { title: 'OVER', key: true, cell: ({ over }) => over },
    { title: 'COMPLETED', align: 'right', cell: ({ figures }) => figures.jobs.completed },
    {
      title: 'FAILED',
      align: 'right',
      cell: ({ figures }) => ({ text: figures.jobs.failed, format: 'red' }),
    },
    { title: 'EXPIRED', align: 'right', wide: true, cell: ({ figures }) => figures.jobs.expired },
    {
      title: 'CANCELLED',
      align: 'right',
      wide: true,
      cell: ({ figures }) => figures.jobs.cancelled,
    },
    { title: 'RETRIED', align: 'right', wide: true, cell: ({ figures }) => figures.jobs.retried },
    { title: 'JOBS', align: 'right', cell: ({ figures }) => rateCell(figures.jobsPerSecond) },
    { title: 'ROWS', align: 'right', cell: ({ figures }) => rateCell(figures.rowsPerSecond) },
    { title: 'WAIT', cell: ({ figures }) => latencyCell(figures.waitMs) },
    { title: 'RUN', cell: ({ figures }) => latencyCell(figures.runMs) },
    { title: 'TOTAL', cell: ({ figures }) => latencyCell(figures.totalMs) },
    { title: 'BATCH ROWS', wide: true, cell: ({ figures }) => batchCell(figures) },
    { title: 'CLOSED', wide: true, cell: ({ figures }) => closedCell(figures) },
  ],
  name: ({ queue, worker }) => (worker === null ? queue : `${queue}/${worker}`),
  json: ({ queue, worker, over, figures }) => ({ queue, worker, over, ...figures }),
  empty: 'no queue yet: infer submit makes one',
};

/** The lines of the table: of every row the last minute and, where it is known, the time since start. */
export function statLines(rows: readonly StatRow[]): StatLine[] {
  return rows.flatMap(({ queue, worker, lastMinute, sinceStart }) => {
    const line = { queue, worker };
    return [
      { ...line, over: 'minute' as const, figures: lastMinute },
      ...(sinceStart === null ? [] : [{ ...line, over: 'start' as const, figures: sinceStart }]),
    ];
  });
}
