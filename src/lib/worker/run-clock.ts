import type { Clock } from '../core/clock.js';
import type { RunnerSlot } from './runner-slot.js';

/** Weight of a new run in the mean. */
const NEWEST = 0.2;

/** Which runners have work, and how long runs take. */
export class RunClock {
  /** Includes runners between two runs of a backlog. */
  private readonly atWork = new Set<RunnerSlot>();
  private readonly since = new Map<RunnerSlot, number>();
  private meanMs = 0;
  private peak = 0;

  constructor(private readonly clock: Clock) {}

  begin(slot: RunnerSlot): void {
    this.since.set(slot, this.clock.now());
    this.atWork.add(slot);
    this.peak = Math.max(this.peak, this.atWork.size);
  }

  end(slot: RunnerSlot): void {
    const begun = this.since.get(slot);
    if (begun === undefined) return;
    this.since.delete(slot);
    const ms = this.clock.now() - begun;
    this.meanMs = this.meanMs === 0 ? ms : this.meanMs + NEWEST * (ms - this.meanMs);
  }

  /** A runner has nothing to run. */
  rest(slot: RunnerSlot): void {
    this.atWork.delete(slot);
  }

  isAtWork(slot: RunnerSlot): boolean {
    return this.atWork.has(slot);
  }

  /** Highest number of runners that had work at the same time since the last call. */
  takePeak(): number {
    const { peak } = this;
    this.peak = this.atWork.size;
    return peak;
  }

  /** Recent mean run time in ms; an overlong current run counts in full. */
  get runMs(): number {
    const now = this.clock.now();
    return Math.max(this.meanMs, ...[...this.since.values()].map((begun) => now - begun));
  }
}
