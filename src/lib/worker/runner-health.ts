import { type Clock, monotonicClock } from '../core/clock.js';

/**
 * Consecutive runs that must fail, each with another job in it, before their runner is considered broken.
 * Runs, not jobs: five bad jobs in one micro-batch are one sender's mistake. If one run in ten fails by
 * chance, five failures in a row happen once in 100,000 runs and cost one load of the models; a runner that
 * is broken costs these five.
 */
const FAILED_RUNS = 5;
/**
 * Minimum time between two replacements for the same model. Throwing is how a handler refuses a row, so bad
 * input looks like a broken runner: it must not cause constant reloading. Doubled each time replacements come
 * close together.
 */
const REST_MIN_MS = 30_000;
const REST_MAX_MS = 30 * 60_000;

interface Sessions {
  /** Jobs of the runs that failed since the last good run. */
  failed: Set<string>;
  runs: number;
  /** It was replaced because of this model's failures, and none of its jobs has succeeded since. */
  inVain: boolean;
  /** Minimum time until the next replacement, ms. */
  restMs: number;
  replacedAt: number;
}

/**
 * Decides whether the runner itself may be what makes jobs fail: a handler that changed a prototype or
 * corrupted a library fails every job after it. Tracked per model, since others may still work, and across
 * replacements of the runner: if jobs fail in a new runner too, they or the model are the cause, and no
 * further one is started because of it.
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

  /**
   * The jobs of a run failed in the model or its handler. True when the runner should be replaced; returned
   * once.
   */
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

  /** The model was unloaded. */
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
