import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * Fine enough to detect the 20 ms that would delay locks and urgent work. Every sample wakes the process: at 5 ms they
 * took 1.1 to 1.6 % of a slow core in an idle worker.
 */
const RESOLUTION_MS = 10;
const NS_PER_MS = 1e6;

/** How late the event loop runs its timers: what blocks it also blocks locks, heartbeats and signals. */
export class LoopLag {
  private readonly histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  constructor() {
    this.histogram.enable();
  }

  /** Milliseconds of the longest delay since the last call, beyond the sampling interval. */
  takeMax(): number {
    const ms = this.histogram.max / NS_PER_MS - RESOLUTION_MS;
    this.histogram.reset();
    return Math.max(0, Math.round(ms * 10) / 10);
  }

  stop(): void {
    this.histogram.disable();
  }
}
