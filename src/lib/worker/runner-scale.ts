import type { RunnerBounds } from '../config/runner-bounds.js';
import { formatBytes, formatDuration } from '../core/units.js';

/** A worker's runners and waiting work at one moment. */
export interface RunnerLook {
  /** ms, by a clock for durations. */
  now: number;
  /** Runner processes that receive work. */
  runners: number;
  /** Those that have work. */
  busy: number;
  /** Highest number that had work at the same time since the last look. */
  peak: number;
  /**
   * Micro-batches that the waiting work would make: taken jobs, and jobs in queues whose share here is full.
   */
  waitingRuns: number;
  /** Recent mean run time, ms; an overlong current run counts in full. */
  runMs: number;
  /** Time that a runner took to start and load its models. */
  startMs: number;
  /** Memory of one runner, and free memory of the machine; absent when unknown. */
  memory?: { runnerBytes: number; freeBytes: number } | undefined;
}

/** State kept from one decision to the next. */
export interface ScaleMemory {
  /** At index n: when n + 1 runners last had work at the same time, or when the runner was started. */
  readonly neededAt: readonly number[];
  /** Since when work has been waiting with no runner free. */
  readonly pressedSince?: number | undefined;
  /** Set after a runner that did not start: no attempt before this time. */
  readonly notBefore?: number | undefined;
}

export interface ScaleDecision {
  /** Target number of runners. */
  want: number;
  /**
   * Why it is higher or lower than the current number, or why not although work is waiting; includes the
   * numbers.
   */
  reason?: string | undefined;
  memory: ScaleMemory;
}

/** State before the first look. */
export const NO_MEMORY: ScaleMemory = { neededAt: [] };

/** Work that waits this long with no runner free gets one more runner, however short the work is. */
const PATIENCE_MS = 1000;
/** Time until the next attempt after a runner that did not start. */
export const RETRY_MS = 30_000;
/** A runner grows while it works: this multiple of its current memory must be free. */
const MEMORY_SPARE = 1.5;

/**
 * Decides the number of runners. Several more at once, when waiting work finds no free runner and would take
 * longer to run than a runner takes to start; one fewer, when that many have not had work at the same time
 * for `keepAliveMs`. It reads no clock: the look contains the time.
 */
export function decideRunners(
  bounds: RunnerBounds,
  keepAliveMs: number,
  before: ScaleMemory,
  look: RunnerLook,
): ScaleDecision {
  const { now, runners, waitingRuns } = look;
  const pressed = waitingRuns > 0 && look.busy >= runners;
  const used = pressed ? runners : Math.min(look.peak, runners);
  const neededAt = Array.from({ length: runners }, (_, n) => (n < used ? now : (before.neededAt[n] ?? now)));
  const pressedSince = pressed ? (before.pressedSince ?? now) : undefined;
  const memory: ScaleMemory = { neededAt, pressedSince, notBefore: before.notBefore };
  if (runners < bounds.min) {
    if (tooSoon(before, now)) return { want: runners, memory };
    return { want: bounds.min, reason: `${bounds.min} at least`, memory };
  }
  if (runners > bounds.max) return { want: bounds.max, reason: `${bounds.max} at most`, memory };
  if (pressedSince !== undefined) {
    if (runners === bounds.max || tooSoon(before, now)) return { want: runners, memory };
    return { ...grown(bounds, look, now - pressedSince), memory };
  }
  const idleMs = now - (neededAt[runners - 1] ?? now);
  if (runners === bounds.min || idleMs < keepAliveMs) return { want: runners, memory };
  const reason = `fewer than ${runners} had work at the same time for ${formatDuration(idleMs)}`;
  return { want: runners - 1, reason, memory };
}

function grown(bounds: RunnerBounds, look: RunnerLook, pressedMs: number): Omit<ScaleDecision, 'memory'> {
  const { runners, waitingRuns, runMs, startMs, memory } = look;
  const leftMs = (waitingRuns * runMs) / runners;
  if (leftMs <= startMs && pressedMs < PATIENCE_MS) return { want: runners };
  if (memory !== undefined && memory.freeBytes < memory.runnerBytes * MEMORY_SPARE) {
    const reason = `no memory for another: ${formatBytes(memory.freeBytes)} free, a runner has ${formatBytes(memory.runnerBytes)}`;
    return { want: runners, reason };
  }
  const waiting = `${waitingRuns === 1 ? '1 run waits' : `${waitingRuns} runs wait`}, no runner is free`;
  const worth =
    leftMs > startMs
      ? `${formatDuration(leftMs)} of work, a runner starts in ${formatDuration(startMs)}`
      : `for ${formatDuration(pressedMs)}`;
  return { want: Math.min(bounds.max, runners + waitingRuns), reason: `${waiting}: ${worth}` };
}

/** The state after a runner that did not start. */
export function afterFailure(memory: ScaleMemory, now: number): ScaleMemory {
  return { ...memory, notBefore: now + RETRY_MS };
}

function tooSoon({ notBefore }: ScaleMemory, now: number): boolean {
  return notBefore !== undefined && now < notBefore;
}
