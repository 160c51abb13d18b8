import { count } from '../../core/counts.js';
import { formatDuration } from '../../core/units.js';
import type { Wanted } from '../../deployment/deployment-reader.js';
import type { Overview } from '../../deployment/overview.js';
import { overviewJson } from '../../deployment/overview-json.js';
import type { QueueRow, WorkerRow } from '../../deployment/rows.js';
import { type ListView, listJson, renderList } from '../output/list-format.js';
import { type Layout, perSecond } from '../output/text.js';
import { inspectView, liveInspectView } from '../views/inspect-view.js';
import { queueList } from '../views/queue-list.js';
import { type StatLine, type StatShare, statLines, statList } from '../views/stat-list.js';
import { workerList } from '../views/worker-list.js';
import type { Point } from '../watch.js';
import type { Screen } from './inspect-command.js';

type Order<T> = (a: T, b: T) => number;

/** What each way to sort compares; the most first, names in their order. */
type Orders<T> = Readonly<Record<string, Order<T>>>;

/** How a command prints what it looked at. */
type Print<T> = (view: ListView<T>, records: readonly T[]) => Promise<unknown>;

const down =
  <T>(value: (record: T) => number | null | undefined): Order<T> =>
  (a, b) =>
    (value(b) ?? -1) - (value(a) ?? -1);

type Flowing = Pick<QueueRow, 'name' | 'waiting' | 'ratePerSecond' | 'failed'> & {
  oldestMs?: number | null | undefined;
};

const QUEUE_ORDERS: Orders<Flowing> = {
  name: (a, b) => a.name.localeCompare(b.name),
  waiting: down((queue) => queue.waiting),
  oldest: down((queue) => queue.oldestMs),
  rate: down((queue) => queue.ratePerSecond),
  failed: down((queue) => queue.failed),
};

function sorted<T>(records: readonly T[], orders: Orders<T>, sort: string): T[] {
  return [...records].sort(orders[sort]);
}

function queuePoints(queues: readonly Flowing[]): Point[] {
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
      liveInspectView({ ...overview, queues: sorted(overview.queues, QUEUE_ORDERS, sort) }, room),
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
    body: (queues, sort, room) => renderList(queueList, sorted(queues, QUEUE_ORDERS, sort), format, room),
    points: queuePoints,
  };
}

const WORKER_ORDERS: Orders<WorkerRow> = {
  name: (a, b) => a.name.localeCompare(b.name),
  jobs: down((worker) => worker.lastMinute.jobsPerSecond),
  latency: down((worker) => worker.lastMinute.totalMs?.p99),
  memory: down((worker) => worker.rssBytes),
  lag: down((worker) => worker.loopLagMs),
};

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
    body: (workers, sort, room) => renderList(workerList, sorted(workers, WORKER_ORDERS, sort), format, room),
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
    body: (lines, sort, room) => renderList(list, sorted(lines, STAT_ORDERS, sort), format, room),
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
