import type { QueueRow, WorkerRow } from './rows.js';

type Order<T> = (a: T, b: T) => number;

/** What each way to sort compares, by its name. */
export type Orders<T> = Readonly<Record<string, Order<T>>>;

/** The most first; what has no value comes last. */
export const down =
  <T>(value: (record: T) => number | null | undefined): Order<T> =>
  (a, b) =>
    (value(b) ?? -1) - (value(a) ?? -1);

/** What is sorted of a queue; a sample that was taken live and its JSON both have it. */
export type SortableQueue = Pick<QueueRow, 'name' | 'waiting' | 'ratePerSecond' | 'failed'> & {
  oldestMs?: number | null | undefined;
};

/** The ways to sort queues, the first at the beginning. */
export const QUEUE_ORDERS: Orders<SortableQueue> = {
  name: (a, b) => a.name.localeCompare(b.name),
  waiting: down((queue) => queue.waiting),
  oldest: down((queue) => queue.oldestMs),
  rate: down((queue) => queue.ratePerSecond),
  failed: down((queue) => queue.failed),
};

/** The ways to sort workers, the first at the beginning. */
export const WORKER_ORDERS: Orders<WorkerRow> = {
  name: (a, b) => a.name.localeCompare(b.name),
  jobs: down((worker) => worker.lastMinute.jobsPerSecond),
  latency: down((worker) => worker.lastMinute.totalMs?.p99),
  memory: down((worker) => worker.rssBytes),
  lag: down((worker) => worker.loopLagMs),
};

/** A sorted copy. An unknown `order` leaves them as they are. */
export function inOrder<T>(records: readonly T[], orders: Orders<T>, order: string): T[] {
  const compare = orders[order];
  return compare === undefined ? [...records] : [...records].sort(compare);
}
