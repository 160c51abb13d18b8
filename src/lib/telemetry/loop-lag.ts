import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Sampled every 5 ms: fine enough to detect the 20 ms that would delay locks and urgent work. */
const RESOLUTION_MS = 5;
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
