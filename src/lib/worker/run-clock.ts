import type { Clock } from '../core/clock.js';
import type { RunnerSlot } from './runner-slot.js';

/** Weight of a new run in the mean. */
const NEWEST = 0.2;

/** Which runners have work, and how long runs take. */
export class RunClock {
  /** Includes runners between two runs of a backlog. */
  private readonly atWork = new Set<RunnerSlot>();
  private readonly current = new Map<RunnerSlot, { model: string; begun: number }>();
  private meanMs = 0;
  private peak = 0;

  constructor(private readonly clock: Clock) {}

  /** @param model what the run's jobs named */
  begin(slot: RunnerSlot, model: string): void {
    this.current.set(slot, { model, begun: this.clock.now() });
    this.atWork.add(slot);
    this.peak = Math.max(this.peak, this.atWork.size);
  }

  /** The run of a runner has ended; returns its milliseconds. */
  end(slot: RunnerSlot): number {
    const run = this.current.get(slot);
    if (run === undefined) return 0;
    this.current.delete(slot);
    const ms = this.clock.now() - run.begun;
    this.meanMs = this.meanMs === 0 ? ms : this.meanMs + NEWEST * (ms - this.meanMs);
    return ms;
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
    return Math.max(this.meanMs, ...this.runs.map(({ sinceMs }) => sinceMs));
  }

  /** Runs in progress: their model, and for how long. */
  get runs(): { model: string; sinceMs: number }[] {
    const now = this.clock.now();
    return [...this.current.values()].map(({ model, begun }) => ({ model, sinceMs: now - begun }));
  }
}

/** Kinds of runs whose time is remembered; the one that has not run for the longest is forgotten. */
const MOST_KINDS = 256;
/** Deviation that is assumed after one run, as a share of its time. */
const UNSURE = 0.1;

/** How long runs of one kind take: of one model, shape and number of rows. */
export class RunTimes {
  private readonly kinds = new Map<string, { ms: number; deviation: number }>();

  /** Recent mean of this kind and mean deviation from it, ms; undefined before its first run. */
  expected(kind: string): { ms: number; deviation: number } | undefined {
    return this.kinds.get(kind);
  }

  record(kind: string, ms: number): void {
    const before = this.kinds.get(kind) ?? { ms, deviation: ms * UNSURE };
    const off = ms - before.ms;
    this.kinds.delete(kind);
    this.kinds.set(kind, {
      ms: before.ms + NEWEST * off,
      deviation: before.deviation + NEWEST * (Math.abs(off) - before.deviation),
    });
    const [oldest] = this.kinds.keys();
    if (this.kinds.size > MOST_KINDS && oldest !== undefined) this.kinds.delete(oldest);
  }
}
