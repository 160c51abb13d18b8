import { isServing } from '../queue/serving.js';
import type { WorkerRecord } from '../queue/types.js';
import type { OutsideJobs, QueueJobs } from './demand.js';

/** The state of a queue (or of all queues of a pool) at one moment. */
export interface QueueFacts {
  /** When it was read, ms since the epoch. */
  readonly at: number;
  /** Jobs that could start now, at any priority. */
  readonly waiting: number;
  /** Delayed jobs due before a worker started now would be ready. */
  readonly dueDelayed: number;
  readonly active: number;
  /** Age of the oldest waiting job, ms; null when none is waiting or it is unknown. */
  readonly oldestMs: number | null;
  /** Number of jobs ever added; null if nothing counts them: then derived from waiting and ended jobs. */
  readonly arrived: number | null;
  /** Number of jobs that ever ended, in any way. */
  readonly completed: number;
  /** Total seconds that workers spent on jobs; null: derived from the number of busy workers. */
  readonly busySeconds: number | null;
  /** A paused queue starts no jobs, so it needs no workers. */
  readonly paused: boolean;
  /** Jobs that no ready worker can run but a new one may; not in `waiting`. */
  readonly unserved?: readonly QueueJobs[];
  /** Jobs that no worker of the pool can run; not in `waiting` either. */
  readonly outside?: readonly OutsideJobs[];
}

export type WorkerPhase = 'starting' | 'ready' | 'busy' | 'draining';

/** The phase of a worker according to its heartbeat. */
export function phaseOf(record: Pick<WorkerRecord, 'state' | 'active'>): WorkerPhase {
  if (!isServing(record)) return 'draining';
  return record.active.length > 0 ? 'busy' : 'ready';
}

export interface WorkerView {
  readonly id: string;
  readonly phase: WorkerPhase;
  /** When its process started, ms since the epoch. */
  readonly startedAt: number;
  /** When it could take its first job; null while unknown. */
  readonly readyAt: number | null;
  /** The slot it runs in; null for a worker started by others: it counts, but is never drained. */
  readonly slot: string | null;
}

/** All inputs of a decision. */
export interface Observation {
  /** ms since the epoch. */
  readonly now: number;
  /** Null when the queue could not be read. */
  readonly queue: QueueFacts | null;
  readonly workers: readonly WorkerView[];
  /** Slots for a worker (GPUs), in the order in which to use them; includes those in use. */
  readonly slots: readonly string[];
  /** Slots whose worker failed to start or crashed since the last observation. */
  readonly failures: readonly string[];
}
