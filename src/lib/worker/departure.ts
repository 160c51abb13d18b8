import { settledWithin } from '../core/bounded.js';
import type { Logger } from '../telemetry/logger.js';
import type { WorkerConfig } from './host-config.js';
import type { Outage } from './outage.js';
import type { RunnerPool } from './runner-pool.js';
import type { Worker } from './worker.js';

/** While draining, Redis is looked for this often. */
const LOOK_MS = 500;

interface DepartureParts {
  worker: Pick<Worker, 'drain' | 'leave' | 'abandon' | 'heartbeat'>;
  pool: Pick<RunnerPool, 'kill'>;
  outage: Outage;
  log: Logger;
  /** Shows at once that the worker drains. */
  tell(): void;
}

/** How a worker's work ends before it is over by itself: by a drain, or at once. */
export class Departure {
  /** Resolves when it has left, at once or after a drain that took too long. */
  readonly hasLeft: Promise<void>;
  /** Set when it ends in order to be opened again, with this. */
  restartWith: WorkerConfig | undefined;
  private tellLeft: () => void = () => undefined;
  private drainTimer: NodeJS.Timeout | undefined;
  private awayTimer: NodeJS.Timeout | undefined;

  constructor(private readonly parts: DepartureParts) {
    this.hasLeft = new Promise((resolve) => {
      this.tellLeft = resolve;
    });
  }

  /** Finishes what has started, hands back the rest; leaves after `timeoutMs`, or when Redis stays away. */
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

  /** Hands everything back and kills the runners, mid-run or not. */
  async leave(): Promise<void> {
    const { worker, pool, outage } = this.parts;
    // Hand back first: once the runners are gone their runs would count as crashes. A Redis that is
    // away cannot be told; the locks lapse then.
    await settledWithin(outage.patienceMs, worker.leave());
    worker.abandon();
    await pool.kill();
    this.tellLeft();
  }

  /** Its worker has ended: no timer ends it again. */
  over(): void {
    clearTimeout(this.drainTimer);
    clearInterval(this.awayTimer);
  }

  /** All runs are over, and Redis has been away for so long that what they brought is not waited with. */
  private leaveIfAway(): void {
    const { worker, outage, log } = this.parts;
    if (!outage.isLong || worker.heartbeat().active.length > 0) return;
    clearInterval(this.awayTimer);
    log.warn('Redis is away: jobs not yet handed back are free when their locks lapse');
    void this.leave();
  }
}
