import { count } from '../../core/counts.js';
import { printable } from '../../core/printable.js';
import { formatDuration, writtenDuration } from '../../core/units.js';
import type { History, HistoryPoint, Times } from '../../queue/history/types.js';
import type { ListColumn, ListView } from '../output/list-format.js';
import type { Cell } from '../output/table.js';
import { heading, type Layout, perSecond } from '../output/text.js';
import { minuteTime } from './times.js';

/** One step of one series. */
export interface HistoryRow {
  history: History;
  point: HistoryPoint;
}

const EMPTY = 'nothing is recorded: workers write the history while they run (infer worker)';

/** A row per step. */
export function historyList(several: boolean): ListView<HistoryRow> {
  const series: ListColumn<HistoryRow>[] = several
    ? [{ title: 'SERIES', key: true, cell: ({ history }) => seriesName(history) }]
    : [];
  return {
    columns: [
      ...series,
      { title: 'FROM', key: true, cell: ({ point }) => minuteTime(point.at) },
      ...columnsOf((row: HistoryRow) => row.point),
    ],
    name: ({ history, point }) => `${seriesName(history)} ${minuteTime(point.at)}`,
    json: ({ history: { kind, name }, point }) => ({ kind, name, ...point }),
    empty: EMPTY,
  };
}

/** A row per series, with its trend. */
export const seriesList: ListView<History> = {
  columns: [
    { title: 'NAME', cell: ({ name }) => name ?? 'all' },
    { title: 'JOBS PER STEP', cell: (history) => sparkline(history, ended, TREND_CELLS) || '-' },
    ...columnsOf((history: History) => history.total),
  ],
  name: ({ name }) => name ?? 'all',
  empty: EMPTY,
};

const TREND_CELLS = 30;

function columnsOf<T>(pointOf: (record: T) => HistoryPoint): ListColumn<T>[] {
  const column = (
    title: string,
    cell: (point: HistoryPoint) => Cell,
    more: Pick<ListColumn<T>, 'wide' | 'optional'> = {},
  ): ListColumn<T> => ({ title, align: 'right', ...more, cell: (record) => cell(pointOf(record)) });
  return [
    column('JOBS', (point) => ended(point)),
    column('FAILED', ({ jobs: { failed } }) => (failed === 0 ? 0 : { text: failed, format: 'red' })),
    column('JOBS/S', (point) => perSecond(rateOf(ended(point), point))),
    column('ADDED', ({ added }) => added ?? '-', { optional: true }),
    column('ROWS/S', (point) => perSecond(rateOf(point.rows, point)), { wide: true }),
    column('WAIT P95', ({ waitMs }) => p95(waitMs), { optional: true }),
    column('RUN P95', ({ runMs }) => p95(runMs), { wide: true }),
    column('TOTAL P95', ({ totalMs }) => p95(totalMs), { optional: true }),
    column('ROWS/RUN', ({ batches: { rows } }) => (rows === null ? '-' : String(rows)), { wide: true }),
    column('WAITING', ({ backlog }) => (backlog === null ? '-' : count(backlog.waiting.max)), {
      optional: true,
    }),
    column('OLDEST', ({ backlog }) => oldest(backlog?.oldestMs ?? 0), {
      optional: true,
    }),
    column('WORKERS', ({ workers }) => (workers === null ? '-' : String(workers.max)), { optional: true }),
    column('BUSY', ({ busy }) => share(busy), { optional: true }),
    column('GPU', ({ load }) => share(load?.gpu?.utilisation), { optional: true }),
  ];
}

/** Title and trends of one series, for a terminal; each chart ends with the newest step. */
export function historyHead(history: History, layout: Layout): string[] {
  const { range, points } = history;
  const title = heading(`${seriesName(history)}, last ${range}`, layout.paint);
  if (points.length === 0) return [title];
  const room = Math.max(1, Math.min(MOST_CELLS, layout.width - LABEL - VALUE));
  const line = (
    label: string,
    value: (point: HistoryPoint) => number | null,
    shown: (value: number) => string,
  ) => {
    const bars = sparkline(history, value, room);
    if (bars === '') return [];
    const most = Math.max(...points.map((point) => value(point) ?? 0));
    return [`${label.padEnd(LABEL)}${`max ${shown(most)}`.padEnd(VALUE)}${bars}`];
  };
  return [
    `${title}${layout.paint('dim', `; one column of a chart is ${writtenDuration(cellMs(history, room))}`)}`,
    ...line(
      'jobs/s',
      (point) => rateOf(ended(point), point),
      (rate) => perSecond(rate),
    ),
    ...line('failed', ({ jobs }) => jobs.failed, count),
    ...line('total p95', ({ totalMs }) => totalMs?.p95 ?? null, formatDuration),
    ...line(
      'run p95',
      ({ totalMs, runMs }) => (totalMs === null ? (runMs?.p95 ?? null) : null),
      formatDuration,
    ),
    ...line('waiting', ({ backlog }) => backlog?.waiting.max ?? null, count),
    ...line(
      'busy',
      ({ busy }) => busy,
      (busy) => share(busy),
    ),
  ];
}

const LABEL = 11;
const VALUE = 14;
const MOST_CELLS = 72;
const LEVELS = '▁▂▃▄▅▆▇█';

/**
 * The trend of a value, oldest first: the highest of each cell, a space where nothing is recorded. Empty if
 * it was never above zero.
 */
export function sparkline(
  history: History,
  value: (point: HistoryPoint) => number | null,
  cells: number,
): string {
  const { from, to, stepMs, points } = history;
  const steps = Math.floor((to - from) / stepMs) + 1;
  const perCell = Math.ceil(steps / cells);
  const most = Math.max(0, ...points.map((point) => value(point) ?? 0));
  if (most === 0) return '';
  const highest = new Map<number, number>();
  for (const point of points) {
    const cell = Math.floor((point.at - from) / stepMs / perCell);
    const seen = value(point);
    if (seen !== null) highest.set(cell, Math.max(highest.get(cell) ?? 0, seen));
  }
  return Array.from({ length: Math.ceil(steps / perCell) }, (_, cell) => {
    const seen = highest.get(cell);
    if (seen === undefined) return ' ';
    return LEVELS[Math.ceil((seen / most) * (LEVELS.length - 1))] as string;
  })
    .join('')
    .trimEnd();
}

function cellMs({ from, to, stepMs }: History, cells: number): number {
  return Math.ceil((Math.floor((to - from) / stepMs) + 1) / cells) * stepMs;
}

function seriesName({ kind, name }: History): string {
  return kind === 'all' ? 'all queues' : `${kind} ${printable(name ?? '')}`;
}

function ended({ jobs: { completed, failed, expired, cancelled } }: HistoryPoint): number {
  return completed + failed + expired + cancelled;
}

function rateOf(value: number, { ms }: HistoryPoint): number {
  return ms === 0 ? 0 : (value * 1000) / ms;
}

function p95(times: Times | null): string {
  return times === null ? '-' : formatDuration(times.p95);
}

function oldest(ms: number): string {
  return ms === 0 ? '-' : formatDuration(ms);
}

function share(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : `${Math.round(value * 100)} %`;
}
