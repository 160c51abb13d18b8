import type { QueueRow, WorkerRow } from './rows.js';

type Order<T> = (a: T, b: T) => number;

/** What each sort order compares, by its name. */
export type Orders<T> = Readonly<Record<string, Order<T>>>;

/** Largest first; records without a value come last. */
export const down =
  <T>(value: (record: T) => number | null | undefined): Order<T> =>
  (a, b) =>
    (value(b) ?? -1) - (value(a) ?? -1);

/** The sortable fields of a queue, present in a live sample and in its JSON. */
export type SortableQueue = Pick<QueueRow, 'name' | 'waiting' | 'ratePerSecond' | 'failed'> & {
  oldestMs?: number | null | undefined;
};

/** Sort orders for queues, starting with the default. */
export const QUEUE_ORDERS: Orders<SortableQueue> = {
  name: (a, b) => a.name.localeCompare(b.name),
  waiting: down((queue) => queue.waiting),
  oldest: down((queue) => queue.oldestMs),
  rate: down((queue) => queue.ratePerSecond),
  failed: down((queue) => queue.failed),
};

/** Sort orders for workers, starting with the default. */
export const WORKER_ORDERS: Orders<WorkerRow> = {
  name: (a, b) => a.name.localeCompare(b.name),
  jobs: down((worker) => worker.lastMinute.jobsPerSecond),
  latency: down((worker) => worker.lastMinute.totalMs?.p99),
  memory: down((worker) => worker.rssBytes),
  lag: down((worker) => worker.loopLagMs),
};

/** A sorted copy. An unknown `order` changes nothing. */
export function inOrder<T>(records: readonly T[], orders: Orders<T>, order: string): T[] {
  const compare = orders[order];
  return compare === undefined ? [...records] : [...records].sort(compare);
}
