import { THRESHOLDS } from '../core/thresholds.js';
import type { QueueSnapshot } from '../queue/read/inspector.js';
import { servedBy, unservedJobs } from '../queue/routes.js';
import { servingWorkers } from '../queue/serving.js';
import type { StartingWorker } from '../queue/starting.js';
import type { WorkerRecord } from '../queue/types.js';

/*
 * The rules by which a deployment is judged, each defined once, for `inspect`, `doctor`, metrics and the
 * tables. The numbers are in core/thresholds.ts. All pure.
 */

/** No heartbeat for too long. @param at by Redis's clock, like heartbeats */
export function isSilent({ beatAt }: Pick<WorkerRecord, 'beatAt'>, at: number): boolean {
  return at - beatAt > THRESHOLDS.workerSilent.value;
}

/** Its event loop is late. */
export function isLate({ loopLagMs }: Pick<WorkerRecord, 'loopLagMs'>): boolean {
  return loopLagMs > THRESHOLDS.loopLag.value;
}

/** No decision for too long. */
export function isAutoscalerSilent(
  { decidedAt, intervalMs = 0 }: { decidedAt: number; intervalMs?: number | undefined },
  at: number,
): boolean {
  const { autoscalerSilent, autoscalerSilentBeats } = THRESHOLDS;
  return at - decidedAt > Math.max(autoscalerSilent.value, autoscalerSilentBeats.value * intervalMs);
}

/** How a clock compares to Redis's. @param aheadMs negative: behind; undefined: unknown */
export function clockState(aheadMs: number | undefined): 'right' | 'off' | 'wrong' {
  const off = Math.abs(aheadMs ?? 0);
  if (off >= THRESHOLDS.clockWrong.value) return 'wrong';
  return off >= THRESHOLDS.clockOff.value ? 'off' : 'right';
}

/** A GPU has so little free memory that the next allocation may fail. */
export function isGpuFull({ usedBytes, totalBytes }: { usedBytes: number; totalBytes: number }): boolean {
  return totalBytes > 0 && usedBytes / totalBytes >= THRESHOLDS.gpuMemoryFull.value;
}

/** Whether a queue has neither a serving worker nor one that is loading its models. */
export function isUnserved(
  queue: string,
  workers: readonly WorkerRecord[],
  starting: readonly StartingWorker[] = [],
): boolean {
  return !servedBy(workers, starting, queue);
}

/**
 * Whether jobs wait that workers of the queue could take: it is not paused, is served, and no model is
 * missing (next to jobs whose model no worker serves, the age of the others is unknown).
 */
export function mayMove(
  queue: QueueSnapshot,
  workers: readonly WorkerRecord[],
  starting: readonly StartingWorker[] = [],
): boolean {
  return (
    queue.waiting > 0 &&
    !queue.paused &&
    servingWorkers(workers, queue.name).length > 0 &&
    unservedJobs(queue, workers, starting).length === 0
  );
}

/** Queues and workers at one moment. */
export interface Moment {
  queues: readonly QueueSnapshot[];
  workers: readonly WorkerRecord[];
}

/**
 * Whether a queue is stuck although idle workers serve it. From one moment: nothing ended in the last minute,
 * nothing is running, and the oldest job has waited long. From two: nothing moved in between.
 */
export function standsStill(queue: QueueSnapshot, now: Moment, before?: Moment): boolean {
  if (!mayMove(queue, now.workers) || queue.active > 0) return false;
  const serving = servingWorkers(now.workers, queue.name);
  if (serving.some((worker) => worker.active.length > 0)) return false;
  if (before === undefined)
    return queue.ratePerSecond === null && (queue.oldestMs ?? 0) >= THRESHOLDS.jobStuck.value;
  const earlier = before.queues.find(({ name }) => name === queue.name);
  const done = new Map(before.workers.map((worker) => [worker.id, worker.jobsDone + worker.jobsFailed]));
  return (
    earlier !== undefined &&
    hasNotMoved(earlier, queue) &&
    serving.every(({ id, jobsDone, jobsFailed }) => done.get(id) === jobsDone + jobsFailed)
  );
}

function hasNotMoved(before: QueueSnapshot, after: QueueSnapshot): boolean {
  return (
    before.waiting > 0 &&
    before.active === 0 &&
    // Fewer waiting jobs are progress; more are just new submits.
    after.waiting >= before.waiting &&
    after.completed === before.completed &&
    after.failed === before.failed &&
    // One that arrived after the first look has been seen only once.
    (after.oldestMs ?? 0) > (before.oldestMs ?? 0)
  );
}
