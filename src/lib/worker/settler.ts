import { setTimeout as delay } from 'node:timers/promises';
import { Gate } from '../core/gate.js';
import type { QueueConsumer, Settlement, TakenJob } from '../queue/broker.js';
import type { Logger } from '../telemetry/logger.js';
import { Trouble } from './trouble.js';

/** Jobs ended in one script at most: about 2 ms of Redis time. */
const BATCH = 128;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5000;

/**
 * Ends jobs of one queue, in groups: while one script is under way, further outcomes gather for the
 * next. An outcome is sent until Redis takes it; the lock decides whether it still counts.
 */
export class Settler {
  private readonly pending: Settlement[] = [];
  private working = false;
  private abandoned = false;
  private readonly idle = new Gate();
  private readonly trouble: Trouble;

  constructor(
    private readonly consumer: QueueConsumer,
    log: Logger,
    private readonly onSettled: (settlement: Settlement, ours: boolean) => void,
  ) {
    this.trouble = new Trouble(log);
  }

  push(settlement: Settlement): void {
    this.pending.push(settlement);
    if (this.working) return;
    this.working = true;
    // After this turn of the event loop: all jobs of one micro-batch go together, and behind the look
    // for more urgent work, which holds up the next run.
    setImmediate(() => void this.work());
  }

  /** Jobs whose outcome Redis has not taken yet: their locks must live until it has. */
  get unsettled(): TakenJob[] {
    return this.pending.map((settlement) => settlement.job);
  }

  /** Resolves when everything pushed so far has been taken by Redis. */
  async flushed(): Promise<void> {
    while (this.working) await this.idle.wait();
  }

  /** Gives up what Redis has not taken: the locks of those jobs lapse, and others run them. */
  abandon(): void {
    this.pending.length = 0;
    this.abandoned = true;
  }

  private async work(): Promise<void> {
    let retryMs = RETRY_MIN_MS;
    while (this.pending.length > 0 && !this.abandoned) {
      const batch = this.pending.slice(0, BATCH);
      try {
        const ours = await this.consumer.settle(batch);
        this.pending.splice(0, batch.length);
        batch.forEach((settlement, i) => {
          this.onSettled(settlement, ours[i] === true);
        });
        retryMs = RETRY_MIN_MS;
      } catch (error) {
        if (this.abandoned) break;
        this.trouble.say('cannot store outcomes, will try again', error, {
          queue: this.consumer.queue,
          jobs: batch.length,
        });
        await delay(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
    this.working = false;
    this.idle.open();
  }
}
