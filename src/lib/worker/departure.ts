import { settledWithin } from '../core/bounded.js';
import type { Logger } from '../telemetry/logger.js';
import type { WorkerConfig } from './host-config.js';
import type { Outage } from './outage.js';
import type { RunnerPool } from './runner-pool.js';
import type { Worker } from './worker.js';

/** How often the connection to Redis is checked while draining. */
const LOOK_MS = 500;

interface DepartureParts {
  worker: Pick<Worker, 'drain' | 'leave' | 'abandon' | 'heartbeat'>;
  pool: Pick<RunnerPool, 'kill'>;
  outage: Outage;
  log: Logger;
  /** Publishes immediately that the worker is draining. */
  tell(): void;
}

/** Ends a worker before its work is finished: by a drain, or at once. */
export class Departure {
  /** Resolves when it has left, at once or after a drain that took too long. */
  readonly hasLeft: Promise<void>;
  /** Set when it ends in order to be reopened: the configuration to use. */
  restartWith: WorkerConfig | undefined;
  private tellLeft: () => void = () => undefined;
  private drainTimer: NodeJS.Timeout | undefined;
  private awayTimer: NodeJS.Timeout | undefined;

  constructor(private readonly parts: DepartureParts) {
    this.hasLeft = new Promise((resolve) => {
      this.tellLeft = resolve;
    });
  }

  /**
   * Finishes started jobs and hands back the rest; leaves after `timeoutMs`, or when Redis stays unreachable.
   */
  drain(timeoutMs: number): void {
    const { worker, log } = this.parts;
    worker.drain();
    this.parts.tell();
    this.awayTimer ??= setInterval(() => this.leaveIfAway(), LOOK_MS);
    this.drainTimer ??= setTimeout(() => {
      log.warn({ timeoutMs }, 'drain time is over: handing back what still runs');
      void this.leave();
    }, timeoutMs);
  }

  /** Hands everything back and kills the runners, even mid-run. */
  async leave(): Promise<void> {
    const { worker, pool, outage } = this.parts;
    // Hand back first: once the runners have exited, their runs would count as crashes. If Redis is
    // unreachable, the locks expire instead.
    await settledWithin(outage.patienceMs, worker.leave());
    worker.abandon();
    await pool.kill();
    this.tellLeft();
  }

  /** Its worker has ended: cancel the timers that would end it. */
  over(): void {
    clearTimeout(this.drainTimer);
    clearInterval(this.awayTimer);
  }

  /**
   * Leaves when all runs are over and Redis has been unreachable so long that storing their results is no
   * longer worth waiting for.
   */
  private leaveIfAway(): void {
    const { worker, outage, log } = this.parts;
    if (!outage.isLong || worker.heartbeat().active.length > 0) return;
    clearInterval(this.awayTimer);
    log.warn('Redis is unreachable: jobs not yet handed back are free when their locks expire');
    void this.leave();
  }
}
