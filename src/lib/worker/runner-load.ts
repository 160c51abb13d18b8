import type { BatchSizes } from './batch-sizes.js';
import type { Dispatcher } from './dispatcher.js';
import type { HeldJobs } from './held.js';
import type { Lane } from './lane.js';
import type { RunnerPool } from './runner-pool.js';
import type { RunnerLook } from './runner-scale.js';

/** What a worker knows of its load by itself, without asking Redis. */
export class RunnerLoad {
  constructor(
    private readonly parts: {
      pool: RunnerPool;
      dispatcher: Dispatcher;
      sizes: BatchSizes;
      held: HeldJobs;
      lanes: () => readonly Lane[];
    },
  ) {}

  /** Work waits here, and no runner is free for it. */
  get isPressed(): boolean {
    const { pool } = this.parts;
    return this.waitingRows > 0 && this.busy >= pool.slots.length;
  }

  /** Queues of which it holds as much as it may: more may wait in Redis. */
  get fullQueues(): string[] {
    const full = this.parts.lanes().filter((lane) => lane.state === 'full');
    return full.map((lane) => lane.consumer.queue);
  }

  /** @param queued jobs that wait in Redis. */
  look(queued: number): Omit<RunnerLook, 'now' | 'memory'> {
    const { pool, dispatcher, sizes } = this.parts;
    const rows = this.waitingRows + queued * this.rowsPerJob;
    return {
      runners: pool.slots.length,
      busy: this.busy,
      peak: dispatcher.clocked.takePeak(),
      waitingRuns: Math.ceil(rows / sizes.largest),
      runMs: dispatcher.clocked.runMs,
      startMs: pool.startMs,
    };
  }

  private get busy(): number {
    const { pool, dispatcher } = this.parts;
    return pool.slots.filter((slot) => dispatcher.clocked.isAtWork(slot)).length;
  }

  private get waitingRows(): number {
    return this.parts.dispatcher.rowsUpTo(Number.POSITIVE_INFINITY);
  }

  /** Of the jobs at hand: those in Redis are taken to be like them. */
  private get rowsPerJob(): number {
    const jobs = [...this.parts.held.values()];
    return jobs.reduce((sum, job) => sum + job.rows, 0) / Math.max(1, jobs.length);
  }
}
