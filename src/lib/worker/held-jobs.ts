import type { TakenJob } from '../queue/broker.js';
import type { HeldJob } from './held.js';

/** The jobs in a worker's hands; knows for how long there were any, which is what its speed is measured by. */
export class HeldJobs extends Map<TakenJob, HeldJob> {
  private total = 0;
  private since: number | undefined;

  /** Milliseconds up to now. */
  get busyMs(): number {
    return Math.round(this.total + (this.since === undefined ? 0 : performance.now() - this.since));
  }

  override set(job: TakenJob, held: HeldJob): this {
    this.since ??= performance.now();
    return super.set(job, held);
  }

  override delete(job: TakenJob): boolean {
    const was = super.delete(job);
    if (this.size === 0 && this.since !== undefined) {
      this.total += performance.now() - this.since;
      this.since = undefined;
    }
    return was;
  }
}
