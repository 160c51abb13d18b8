/** What a queue (or the queues of a pool together) looked like at one moment. */
export interface QueueFacts {
  /** When it was read, ms since the epoch. */
  readonly at: number;
  /** Jobs that could start now, at any priority. */
  readonly waiting: number;
  /** Delayed jobs that are due before a worker started now would be ready. */
  readonly dueDelayed: number;
  readonly active: number;
  /** Age of the oldest waiting job, ms; null when none waits or it is not known. */
  readonly oldestMs: number | null;
  /** Jobs that ever arrived; null where nothing counts them: then told from what waits and what ended. */
  readonly arrived: number | null;
  /** Jobs that ever ended, however they did. */
  readonly completed: number;
  /** Seconds that workers spent on jobs, summed up; null: told from the workers that were busy. */
  readonly busySeconds: number | null;
  /** A paused queue starts nothing, so it needs no one. */
  readonly paused: boolean;
}

export type WorkerPhase = 'starting' | 'ready' | 'busy' | 'draining';

export interface WorkerView {
  readonly id: string;
  readonly phase: WorkerPhase;
  /** When its process started, ms since the epoch. */
  readonly startedAt: number;
  /** When it could take its first job; null while that is not known. */
  readonly readyAt: number | null;
  /** The slot it runs in; null for a worker that someone else started: it counts, and is never drained. */
  readonly slot: string | null;
}

/** All that a decision is made of. */
export interface Observation {
  /** ms since the epoch. */
  readonly now: number;
  /** Null when the queue could not be read. */
  readonly queue: QueueFacts | null;
  readonly workers: readonly WorkerView[];
  /** Places for a worker (GPUs), in the order they should be taken; those in use among them. */
  readonly slots: readonly string[];
  /** Slots whose worker failed to start or crashed since the last observation. */
  readonly failures: readonly string[];
}
