import type { SimulationResult } from './simulate.js';
import type { Trace } from './traces.js';

/** A policy's results on a trace, or the mean over several. Times in ms. */
export interface Figures {
  readonly jobs: number;
  /** Share of the jobs that did not wait longer than the target. */
  readonly slo: number;
  readonly meanWaitMs: number;
  readonly p99WaitMs: number;
  /** Hours of worker processes, from start to exit. */
  readonly gpuHours: number;
  /** The same per hour of the trace. */
  readonly gpuHoursPerHour: number;
  /** Per hour of the trace: starts, stops, and changes from one to the other. */
  readonly startsPerHour: number;
  readonly stopsPerHour: number;
  readonly flipsPerHour: number;
  /** From the start to the end of the last job. */
  readonly makespanMs: number;
  /** Jobs that were never served. */
  readonly unserved: number;
}

const HOUR_MS = 3_600_000;

export function figuresOf(trace: Trace, result: SimulationResult, targetWaitMs: number): Figures {
  const hours = trace.durationMs / HOUR_MS;
  const sorted = result.waits.filter((wait) => Number.isFinite(wait)).sort();
  const jobs = result.waits.length;
  const within = sorted.findIndex((wait) => wait > targetWaitMs);
  const served = sorted.length;
  return {
    jobs,
    slo: jobs === 0 ? 1 : (within < 0 ? served : within) / jobs,
    meanWaitMs: served === 0 ? 0 : sorted.reduce((sum, wait) => sum + wait, 0) / served,
    p99WaitMs: sorted[Math.max(0, Math.ceil(0.99 * served) - 1)] ?? 0,
    gpuHours: result.workerMs / HOUR_MS,
    gpuHoursPerHour: result.workerMs / HOUR_MS / hours,
    startsPerHour: result.starts / hours,
    stopsPerHour: result.stops / hours,
    flipsPerHour: result.flips / hours,
    makespanMs: result.makespanMs,
    unserved: jobs - served,
  };
}

/** The mean of each figure: of seeds for one trace, of traces for one policy. */
export function meanOf(all: readonly Figures[]): Figures {
  const mean = (of: (figures: Figures) => number) =>
    all.reduce((sum, figures) => sum + of(figures), 0) / Math.max(1, all.length);
  return {
    jobs: mean((one) => one.jobs),
    slo: mean((one) => one.slo),
    meanWaitMs: mean((one) => one.meanWaitMs),
    p99WaitMs: mean((one) => one.p99WaitMs),
    gpuHours: mean((one) => one.gpuHours),
    gpuHoursPerHour: mean((one) => one.gpuHoursPerHour),
    startsPerHour: mean((one) => one.startsPerHour),
    stopsPerHour: mean((one) => one.stopsPerHour),
    flipsPerHour: mean((one) => one.flipsPerHour),
    makespanMs: mean((one) => one.makespanMs),
    unserved: mean((one) => one.unserved),
  };
}
