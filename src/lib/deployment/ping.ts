import { setTimeout as delay } from 'node:timers/promises';
import { answerWithin } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import type { WorkerRecord } from '../queue/types.js';
import type { DeploymentReader } from './deployment-reader.js';
import { isSilent } from './judgements.js';
import { pickWorkers } from './names.js';

/** A pinged worker. */
export interface Pong extends Pick<WorkerRecord, 'id' | 'name' | 'host' | 'pid' | 'state'> {
  answered: boolean;
  /** Milliseconds until its next heartbeat; null when none came in time. */
  ms: number | null;
  /** Silent by the threshold of all lists; `state` is then the last state that it reported. */
  silent: boolean;
}

const LOOK_EVERY_MS = 50;

/**
 * Waits for the next heartbeat of each addressed worker; yields them as they arrive, and the silent workers
 * last. A heartbeat is written to Redis by the worker's main process, so its arrival shows that both work.
 * Nothing is sent to the workers: a read-only user can ping.
 * @throws InferError NO_WORKERS (69) when there are none, WORKER_UNKNOWN (66).
 */
export async function* ping(
  reader: DeploymentReader,
  destinations: readonly string[] | undefined,
  timeoutMs: number,
): AsyncGenerator<Pong> {
  const began = performance.now();
  const registered = await reader.heartbeats();
  if (registered.length === 0) {
    throw new InferError('NO_WORKERS', 'no worker is running', {
      hint: 'start one: infer worker',
    });
  }
  const silent = new Map(pickWorkers(registered, destinations).map((worker) => [worker.id, worker]));
  const pong = ({ id, name, host, pid, state, beatAt }: WorkerRecord, ms: number | null): Pong => ({
    ...{ id, name, host, pid, state },
    answered: ms !== null,
    ms,
    silent: ms === null && isSilent({ beatAt }, reader.now()),
  });
  // Not `pollUntil`: each answer is yielded as it comes, and no reading of the register may outlast the time.
  while (silent.size > 0 && performance.now() - began < timeoutMs) {
    await delay(LOOK_EVERY_MS);
    const leftMs = timeoutMs - (performance.now() - began);
    for (const worker of await answerWithin(leftMs, reader.heartbeats(), () => [])) {
      const before = silent.get(worker.id);
      if (before === undefined || worker.beatAt === before.beatAt) continue;
      silent.delete(worker.id);
      yield pong(worker, Math.round(performance.now() - began));
    }
  }
  for (const worker of silent.values()) yield pong(worker, null);
}
