import type { Dispatcher } from './dispatcher.js';
import type { HeldJobs } from './held-jobs.js';
import type { Lane } from './lane.js';
import type { RunnerPool } from './runner-pool.js';
import type { RunnerLook } from './runner-scale.js';

/** What a worker knows of its load locally, without asking Redis. */
export class RunnerLoad {
  constructor(
    private readonly parts: {
      pool: RunnerPool;
      dispatcher: Dispatcher;
      held: HeldJobs;
      lanes: () => readonly Lane[];
    },
  ) {}

  /** Work is waiting here, and no runner is free for it. */
  get isPressed(): boolean {
    const { pool, dispatcher, lanes } = this.parts;
    const waits = dispatcher.runsUpTo(Number.POSITIVE_INFINITY) > 0 || lanes().some((lane) => lane.leftSome);
    return waits && this.busy >= pool.slots.length;
  }

  /** Queues of which it holds as much as it may: more jobs may wait in Redis. */
  get fullQueues(): string[] {
    const full = this.parts.lanes().filter((lane) => lane.state === 'full');
    return full.map((lane) => lane.consumer.queue);
  }

  /** @param queued jobs waiting in Redis. */
  look(queued: number): Omit<RunnerLook, 'now' | 'memory'> {
    const { pool, dispatcher } = this.parts;
    const runs = dispatcher.runsUpTo(Number.POSITIVE_INFINITY) + queued * this.runsPerJob;
    return {
      runners: pool.slots.length,
      busy: this.busy,
      peak: dispatcher.runs.clocked.takePeak(),
      waitingRuns: Math.ceil(runs),
      runMs: dispatcher.runs.clocked.runMs,
      startMs: pool.startMs,
    };
  }

  private get busy(): number {
    const { pool, dispatcher } = this.parts;
    return pool.slots.filter((slot) => dispatcher.runs.clocked.isAtWork(slot)).length;
  }

  /** For the jobs held, the fraction of a full run per job: those in Redis are assumed to be similar. */
  private get runsPerJob(): number {
    const jobs = [...this.parts.held.values()];
    return jobs.reduce((sum, job) => sum + job.rows / Math.max(1, job.cap), 0) / Math.max(1, jobs.length);
  }
}
