import type { Logger } from '../telemetry/logger.js';
import { RepeatedWarnings } from './repeated-warnings.js';

/** Chores that repeat until stopped; a slow one is never run twice at the same time. */
export class Maintenance {
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly underWay = new Set<Promise<void>>();
  /** Set when stopping: a chore of many steps ends after the current one. */
  stopped = false;

  private readonly warnings: RepeatedWarnings;

  constructor(log: Logger) {
    this.warnings = new RepeatedWarnings(log);
  }

  every(ms: number, name: string, chore: () => Promise<unknown>): void {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      const work = chore()
        .catch((error: unknown) => {
          this.warnings.report(`${name} failed, will try again`, error, {});
        })
        .then(() => {
          busy = false;
          this.underWay.delete(work);
        });
      this.underWay.add(work);
    }, ms);
    this.timers.push(timer);
  }

  /** Stops the timers and waits for chores in progress. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all(this.underWay);
  }
}
