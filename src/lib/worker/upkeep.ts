import { messageOf } from '../core/errors.js';
import type { Logger } from '../telemetry/logger.js';

/** Chores that repeat until stopped; a slow one is never started twice at the same time. */
export class Upkeep {
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly underWay = new Set<Promise<void>>();

  constructor(private readonly log: Logger) {}

  every(ms: number, name: string, chore: () => Promise<unknown>): void {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      const work = chore()
        .catch((error: unknown) => {
          this.log.warn({ chore: name, reason: messageOf(error) }, 'upkeep failed, will try again');
        })
        .then(() => {
          busy = false;
          this.underWay.delete(work);
        });
      this.underWay.add(work);
    }, ms);
    this.timers.push(timer);
  }

  /** Stops the timers and waits for what is under way. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all(this.underWay);
  }
}
