import type { WorkerRecord } from '../queue/types.js';
import { isMeant } from './find-workers.js';
import { refuseUnknown } from './known-names.js';

/**
 * The requested queues, or all that ever received a job. A queue served by a worker is known before its first
 * job.
 * @throws InferError QUEUE_UNKNOWN (66) with the nearest name.
 */
export function pickQueues(
  known: readonly string[],
  workers: readonly Pick<WorkerRecord, 'queues'>[],
  asked: readonly string[] | undefined,
): readonly string[] {
  if (asked === undefined) return known;
  const served = workers.flatMap((worker) => worker.queues);
  refuseUnknown('queue', asked, [...known, ...served], 'infer inspect queues');
  return [...new Set(asked)];
}

/**
 * The workers matching these addresses, interpreted as by `infer control`, or all; workers may share a name.
 * @throws InferError WORKER_UNKNOWN (66) with the nearest name.
 */
export function pickWorkers<W extends Pick<WorkerRecord, 'id' | 'name' | 'host'>>(
  workers: readonly W[],
  asked: readonly string[] | undefined,
): W[] {
  if (asked === undefined) return [...workers];
  refuseUnknown(
    'worker',
    asked.filter((one) => !workers.some((worker) => isMeant(worker, one))),
    workers.map((worker) => worker.name),
    'infer inspect workers',
  );
  return workers.filter((worker) => asked.some((one) => isMeant(worker, one)));
}
