import type { PoolSample } from '../queue/read/sample.js';
import type { Demand } from './demand.js';
import type { QueueFacts } from './observation.js';

/**
 * Sums that outlive the counters they are computed from, which expire or disappear with a worker. Plain JSON.
 */
export interface PoolCounts {
  /** Jobs ended, and seconds during which workers held jobs, since the first look. */
  readonly ended: number;
  readonly busySeconds: number;
  /** Last seen value of each bucket (`<queue>:<bucket>`), and of each worker's busy time, ms. */
  readonly buckets: Readonly<Record<string, number>>;
  readonly busyMs: Readonly<Record<string, number>>;
}

/** The sums after one more look; the first look only sets their start. */
export function countPool(before: PoolCounts | undefined, sample: PoolSample): PoolCounts {
  const buckets: Record<string, number> = {};
  let ended = before?.ended ?? 0;
  for (const [at, queue] of sample.queues.entries()) {
    for (const [number, count] of queue.ended) {
      const key = `${at}:${number}`;
      buckets[key] = count;
      // A bucket that shrank was recreated after a flush.
      if (before !== undefined) ended += Math.max(0, count - (before.buckets[key] ?? 0));
    }
  }
  const busyMs: Record<string, number> = {};
  let busySeconds = before?.busySeconds ?? 0;
  for (const worker of sample.workers) {
    const now = worker.busyMs ?? 0;
    busyMs[worker.id] = now;
    if (before !== undefined) busySeconds += Math.max(0, now - (before.busyMs[worker.id] ?? 0)) / 1000;
  }
  return { ended, busySeconds, buckets, busyMs };
}

/** The queues of a pool combined. Paused ones need no workers. */
export function factsOf(
  { sample, unserved = [], outside = [] }: Pick<Demand, 'sample'> & Partial<Demand>,
  counts: PoolCounts,
  at: number,
): QueueFacts {
  const open = sample.queues.filter((queue) => !queue.paused);
  const ages = open.map((queue) => queue.oldestMs).filter((age) => age !== null);
  const total = (of: (queue: PoolSample['queues'][number]) => number, queues: PoolSample['queues'] = open) =>
    queues.reduce((sum, queue) => sum + of(queue), 0);
  return {
    at,
    waiting: total((queue) => queue.waiting),
    dueDelayed: total((queue) => queue.dueDelayed),
    active: total((queue) => queue.active, sample.queues),
    oldestMs: ages.length === 0 ? null : Math.max(...ages),
    arrived: sample.queues.some((queue) => queue.arrived === null)
      ? null
      : total((queue) => queue.arrived ?? 0, sample.queues),
    completed: counts.ended,
    busySeconds: counts.busySeconds,
    paused: open.length === 0,
    ...(unserved.length === 0 ? {} : { unserved }),
    ...(outside.length === 0 ? {} : { outside }),
  };
}
