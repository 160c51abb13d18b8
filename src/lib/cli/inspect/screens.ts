import { count } from '../../core/counts.js';
import { formatDuration } from '../../core/units.js';
import type { Wanted } from '../../deployment/deployment-reader.js';
import {
  down,
  inOrder,
  type Orders,
  QUEUE_ORDERS,
  type SortableQueue,
  WORKER_ORDERS,
} from '../../deployment/orders.js';
import type { Overview } from '../../deployment/overview.js';
import { overviewJson } from '../../deployment/overview-json.js';
import type { QueueRow, WorkerRow } from '../../deployment/rows.js';
import { type StatLine, type StatShare, statLines } from '../../deployment/stat-lines.js';
import { type ListView, listJson, renderList } from '../output/list-format.js';
import { type Layout, perSecond } from '../output/text.js';
import { inspectView, liveInspectView } from '../views/inspect-view.js';
import { queueList } from '../views/queue-list.js';
import { statList } from '../views/stat-list.js';
import { workerList } from '../views/worker-list.js';
import type { Point } from '../watch.js';
import type { Screen } from './inspect-command.js';

/** How a command prints its data. */
type Print<T> = (view: ListView<T>, records: readonly T[]) => Promise<unknown>;

function queuePoints(queues: readonly SortableQueue[]): Point[] {
  return queues.flatMap(({ name, waiting, ratePerSecond }) => [
    { name, label: 'waiting', value: waiting, shown: count(waiting) },
    { name, label: 'rate', value: ratePerSecond ?? 0, shown: perSecond(ratePerSecond ?? 0) },
  ]);
}

/** `infer inspect`. */
export function overviewScreen(
  wanted: Wanted,
  layout: Layout,
  print: (lines: string[]) => Promise<void>,
): Screen<Overview> {
  return {
    sorts: Object.keys(QUEUE_ORDERS),
    read: (reader) => reader.overview(wanted),
    json: overviewJson,
    print: (overview) => print(inspectView(overview, layout, overview.at)),
    body: (overview, sort, room) =>
      liveInspectView({ ...overview, queues: inOrder(overview.queues, QUEUE_ORDERS, sort) }, room),
    points: ({ queues }) => queuePoints(queues),
  };
}

/** `infer inspect queues`. */
export function queueScreen(
  wanted: Wanted,
  format: 'table' | 'wide',
  print: Print<QueueRow>,
): Screen<QueueRow[]> {
  return {
    sorts: Object.keys(QUEUE_ORDERS),
    read: (reader) => reader.queues(wanted),
    json: (queues) => ({ queues }),
    print: (queues) => print(queueList, queues),
    body: (queues, sort, room) => renderList(queueList, inOrder(queues, QUEUE_ORDERS, sort), format, room),
    points: queuePoints,
  };
}

/** `infer inspect workers`. */
export function workerScreen(
  wanted: Wanted,
  format: 'table' | 'wide',
  print: Print<WorkerRow>,
): Screen<WorkerRow[]> {
  return {
    sorts: Object.keys(WORKER_ORDERS),
    read: (reader) => reader.workers(wanted),
    json: (workers) => ({ workers }),
    print: (workers) => print(workerList, workers),
    body: (workers, sort, room) =>
      renderList(workerList, inOrder(workers, WORKER_ORDERS, sort), format, room),
    points: (workers) =>
      workers.flatMap(({ name, lastMinute: { jobsPerSecond, rowsPerSecond } }) => [
        { name, label: 'jobs', value: jobsPerSecond, shown: perSecond(jobsPerSecond) },
        { name, label: 'rows', value: rowsPerSecond, shown: perSecond(rowsPerSecond) },
      ]),
  };
}

const STAT_ORDERS: Orders<StatLine> = {
  queue: () => 0,
  jobs: down((line) => line.figures.jobsPerSecond),
  wait: down((line) => line.figures.waitMs?.p99),
  total: down((line) => line.figures.totalMs?.p99),
};

/** `infer inspect stats`. */
export function statScreen(
  wanted: Wanted,
  by: StatShare,
  format: 'table' | 'wide',
  print: Print<StatLine>,
): Screen<StatLine[]> {
  const list = statList(by);
  return {
    sorts: Object.keys(STAT_ORDERS),
    read: async (reader) => statLines(await reader.stats(wanted, by)),
    json: (lines) => ({ stats: listJson(list, lines) }),
    print: (lines) => print(list, lines),
    body: (lines, sort, room) => renderList(list, inOrder(lines, STAT_ORDERS, sort), format, room),
    points: (lines) =>
      lines
        .filter(({ worker, model, over }) => worker === null && model === null && over === 'minute')
        .flatMap(({ queue: name, figures: { jobsPerSecond, totalMs } }) => [
          { name, label: 'jobs', value: jobsPerSecond, shown: perSecond(jobsPerSecond) },
          {
            name,
            label: 'total p99',
            value: totalMs?.p99 ?? null,
            shown: totalMs === null ? '-' : formatDuration(totalMs.p99),
          },
        ]),
  };
}
