import type { FiguresJson } from '../../deployment/figures.js';
import type { StatRow } from '../../deployment/rows.js';
import type { ListView } from '../output/list-format.js';
import { batchCell, closedCell, failuresCell, latencyCell, rateCell } from './figure-cells.js';

/** A row of the table: the figures of one queue, or of one worker or model in it, over one period. */
export interface StatLine extends Pick<StatRow, 'queue' | 'worker' | 'model'> {
  over: 'minute' | 'start';
  figures: FiguresJson;
}

const ALL = { text: 'all', format: 'bold' } as const;
const SHARE: Record<StatShare, ListView<StatLine>['columns'][number]> = {
  worker: { title: 'WORKER', key: true, cell: ({ worker }) => worker ?? ALL },
  model: { title: 'MODEL', key: true, cell: ({ model }) => model ?? ALL },
};

/** What the lines below a queue's line show. */
export type StatShare = 'worker' | 'model';

/** `infer inspect stats`. */
export const statList = (by: StatShare): ListView<StatLine> => ({
  columns: [
    { title: 'QUEUE', cell: ({ queue }) => queue },
    SHARE[by],
    { title: 'OVER', key: true, cell: ({ over }) => over },
    { title: 'COMPLETED', align: 'right', cell: ({ figures }) => figures.jobs.completed },
    {
      title: 'FAILED',
      align: 'right',
      cell: ({ figures }) => ({ text: figures.jobs.failed, format: 'red' }),
    },
    { title: 'ERRORS', wide: true, cell: ({ figures }) => failuresCell(figures) },
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
  name: ({ queue, worker, model }) => [queue, worker ?? model ?? []].flat().join('/'),
  json: ({ queue, worker, model, over, figures }) => ({ queue, worker, model, over, ...figures }),
  empty: 'no queue yet: infer submit makes one',
});

/** The lines of the table: for every row, the last minute and, if known, the time since start. */
export function statLines(rows: readonly StatRow[]): StatLine[] {
  return rows.flatMap(({ queue, worker, model, lastMinute, sinceStart }) => {
    const line = { queue, worker, model };
    return [
      { ...line, over: 'minute' as const, figures: lastMinute },
      ...(sinceStart === null ? [] : [{ ...line, over: 'start' as const, figures: sinceStart }]),
    ];
  });
}
