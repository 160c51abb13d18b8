import { type Clock, monotonicClock } from '../core/clock.js';

/**
 * Runs that must fail one after another, each with another job in it, before their runner is taken for broken. Runs
 * and not jobs: five bad jobs of one micro-batch are one sender's mistake. Where one run in ten fails by chance, five in a
 * row come once in 100,000 runs and cost one load of the models; a runner that is broken costs these five.
 */
const FAILED_RUNS = 5;
/**
 * Least time from one replacement for a model to the next. Throwing is how a handler refuses a row, so bad input
 * looks like a broken runner: it must not keep the models loading. Twice as long each time they come close together.
 */
const REST_MIN_MS = 30_000;
const REST_MAX_MS = 30 * 60_000;

interface Sessions {
  /** Jobs of the runs that failed since the last that did not. */
  failed: Set<string>;
  runs: number;
  /** It was replaced for this model's failures, and none of its jobs has succeeded since. */
  inVain: boolean;
  /** How long it is not replaced again after the last time, ms. */
  restMs: number;
  replacedAt: number;
}

/**
 * Tells whether it may be the runner that makes jobs fail: a handler that changed a prototype or poisoned a library
 * fails every job after it. Kept by model, since others may still work, and over the runner's successors: where jobs fail in
 * a new runner too, it is their doing or the model's, and no further one is started for it.
 */
export class RunnerHealth {
  private readonly sessions = new Map<string, Sessions>();

  constructor(private readonly clock: Clock = monotonicClock) {}

  /** A run of this model had an output. */
  good(session: string): void {
    const known = this.sessions.get(session);
    if (known === undefined) return;
    known.failed.clear();
    known.runs = 0;
    known.inVain = false;
  }

  /** The jobs of a run failed by what it made of them. True when the runner is to be replaced; that is answered once. */
  failed(session: string, ids: readonly string[]): boolean {
    const known = this.of(session);
    if (known.inVain) return false;
    if (known.runs < FAILED_RUNS) {
      if (ids.some((id) => !known.failed.has(id))) known.runs += 1;
      for (const id of ids) known.failed.add(id);
    }
    if (known.runs < FAILED_RUNS) return false;
    const sinceMs = this.clock.now() - known.replacedAt;
    if (sinceMs < known.restMs) return false;
    known.restMs = sinceMs < 2 * known.restMs ? Math.min(2 * known.restMs, REST_MAX_MS) : REST_MIN_MS;
    known.replacedAt = this.clock.now();
    known.failed.clear();
    known.runs = 0;
    known.inVain = true;
    return true;
  }

  /** The model was given up. */
  forget(session: string): void {
    this.sessions.delete(session);
  }

  private of(session: string): Sessions {
    const known = this.sessions.get(session) ?? {
      failed: new Set(),
      runs: 0,
      inVain: false,
      restMs: 0,
      replacedAt: 0,
    };
    this.sessions.set(session, known);
    return known;
  }
}
