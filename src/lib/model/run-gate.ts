import { type HostTime, hostTime } from '../core/host-time.js';
import { WakeUp } from '../core/wake-up.js';

/** A notice to the worker about the run with this id. */
export type Notify = (id: number, notice: 'begins' | 'asks') => Promise<void>;

/**
 * Decides in the runner whether a micro-batch that was handed over begins. It is the last to look at the
 * permit, when the inputs are ready. Permits and recalls arrive between runs: they lie in the pipe while a run
 * blocks the thread.
 */
export class RunGate {
  /** By id of the run: until when it may begin. */
  private readonly permits = new Map<number, number | null>();
  private readonly recalled = new Set<number>();
  private readonly news = new WakeUp();
  /** A row of the last run failed. Its worker decides first what that means for the next one. */
  private strict = false;

  constructor(
    private readonly notify: Notify,
    private readonly time: HostTime = hostTime,
  ) {}

  /** A run was handed over. */
  expect(id: number): void {
    this.permits.set(id, Number.NEGATIVE_INFINITY);
  }

  permit(id: number, until: number | null): void {
    // One for a run that is over has crossed its answer.
    if (this.permits.has(id)) this.permits.set(id, until);
    this.news.wake();
  }

  recall(id: number): void {
    if (this.permits.has(id)) this.recalled.add(id);
    this.news.wake();
  }

  /** A run has ended. */
  ended(clean: boolean): void {
    this.strict = !clean;
  }

  /** Resolves when the run may begin, with true, or was recalled. */
  async admits(id: number): Promise<boolean> {
    // What has arrived during the last run is read first.
    await this.time.turn();
    let asked = false;
    while (!this.recalled.has(id)) {
      const woken = this.news.wait();
      const until = this.permits.get(id);
      if (until === null || (!this.strict && until !== undefined && this.time.now() <= until)) {
        this.permits.delete(id);
        // Its worker must know: should it end this process, this is the run to blame.
        await this.notify(id, 'begins');
        return true;
      }
      if (!asked) await this.notify(id, 'asks');
      asked = true;
      await woken;
    }
    this.recalled.delete(id);
    this.permits.delete(id);
    return false;
  }
}
