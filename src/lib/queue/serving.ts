import type { WorkerRecord } from './types.js';

/**
 * Whether a worker takes jobs, or will as soon as its models are loaded: true unless it is draining. A silent
 * one counts until its heartbeat expires, since it may only be cut off for a moment; its silence is a problem
 * of its own.
 */
export function isServing({ state }: Pick<WorkerRecord, 'state'>): boolean {
  return state !== 'draining';
}

/** The workers that serve a queue. */
export function servingWorkers<W extends Pick<WorkerRecord, 'state' | 'queues'>>(
  workers: readonly W[],
  queue: string,
): W[] {
  return workers.filter((worker) => isServing(worker) && worker.queues.includes(queue));
}
