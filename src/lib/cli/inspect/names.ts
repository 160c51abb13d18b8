import type { WorkerRecord } from '../../queue/broker.js';
import { refuseUnknown } from './known-names.js';

/**
 * The queues asked for, or all that ever got a job. One that a worker serves is known before its first.
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
 * The workers of these names or ids, or all; workers may share a name.
 * @throws InferError WORKER_UNKNOWN (66) with the nearest name.
 */
export function pickWorkers<W extends Pick<WorkerRecord, 'id' | 'name'>>(
  workers: readonly W[],
  asked: readonly string[] | undefined,
): W[] {
  if (asked === undefined) return [...workers];
  const ids = new Set(workers.map((worker) => worker.id));
  const names = asked.filter((one) => !ids.has(one));
  refuseUnknown(
    'worker',
    names,
    workers.map((worker) => worker.name),
    'infer inspect workers',
  );
  return workers.filter((worker) => asked.includes(worker.name) || asked.includes(worker.id));
}
