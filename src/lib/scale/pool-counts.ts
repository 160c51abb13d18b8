import type { PoolSample } from '../queue/read/sample.js';
import { unservedJobs } from '../queue/routes.js';
import { isServing } from '../queue/serving.js';
import type { WorkerRecord } from '../queue/types.js';
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

/**
 * A pool without jobs that more workers like its own would not take, because none of them serves their model.
 * While it has no worker, all jobs count, since it is unknown what its first will serve.
 */
export function backlogOf(sample: PoolSample, own: readonly WorkerRecord[]): PoolSample {
  if (!own.some(isServing)) return sample;
  const queues = sample.queues.map((queue) => {
    const others = unservedJobs({ name: queue.name ?? '', unmatched: queue.unmatched ?? {} }, own);
    const waiting = Math.max(0, queue.waiting - others.reduce((sum, { jobs }) => sum + jobs, 0));
    // Among jobs of others, the age of its own is unknown.
    return others.length === 0 ? queue : { ...queue, waiting, oldestMs: null };
  });
  return { ...sample, queues };
}

/** The queues of a pool combined. Paused ones need no workers. */
export function factsOf(sample: PoolSample, counts: PoolCounts, at: number): QueueFacts {
  const open = sample.queues.filter((queue) => !queue.paused);
  const ages = open.map((queue) => queue.oldestMs).filter((age) => age !== null);
  const total = (of: (queue: PoolSample['queues'][number]) => number, queues = open) =>
    queues.reduce((sum, queue) => sum + of(queue), 0);
  return {
    at,
    waiting: total((queue) => queue.waiting),
    dueDelayed: total((queue) => queue.dueDelayed),
    active: total((queue) => queue.active, sample.queues),
    oldestMs: ages.length === 0 ? null : Math.max(...ages),
    arrived: total((queue) => queue.arrived, sample.queues),
    completed: counts.ended,
    busySeconds: counts.busySeconds,
    paused: open.length === 0,
  };
}
