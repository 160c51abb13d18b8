import { seededRandom } from '../core/random.js';
import type { Figures } from './figures.js';
import { openLoop } from './load.js';
import type { Target } from './target.js';

/** Without a range: start here and double. */
const FIRST_RATE = 50;
const LAST_RATE = 102_400;

export interface SweepOptions {
  /** Requests per second of each step; if omitted, doubling from 50. */
  rates: readonly number[] | undefined;
  durationMs: number;
  seed: number;
  /** p99 of the total latency, ms, above which the sweep ends. */
  thresholdMs: number | undefined;
  signal: AbortSignal;
  onStep: (rate: number) => void;
}

/** Rising rates until one is not kept up or its p99 exceeds the threshold; that one is the last. */
export async function sweep(target: Target, options: SweepOptions): Promise<Figures[]> {
  const { durationMs, seed, thresholdMs, signal } = options;
  const steps: Figures[] = [];
  for (const rate of options.rates ?? doubling()) {
    options.onStep(rate);
    const step = await openLoop(target, {
      rate,
      durationMs,
      random: seededRandom(seed + steps.length),
      signal,
    });
    steps.push(step);
    if (!holds(step, thresholdMs)) break;
  }
  return steps;
}

/** Whether a step was kept up, within the threshold and without errors. */
function holds(step: Figures, thresholdMs: number | undefined): boolean {
  if (step.keptUp === false || step.errors > 0) return false;
  return thresholdMs === undefined || (step.totalMs?.p99 ?? 0) <= thresholdMs;
}

/** The highest rate that held; null when none did. */
export function bestRate(steps: readonly Figures[], thresholdMs: number | undefined): number | null {
  const rates = steps.filter((step) => holds(step, thresholdMs)).map((step) => step.rate ?? 0);
  return rates.length === 0 ? null : Math.max(...rates);
}

function* doubling(): Generator<number> {
  for (let rate = FIRST_RATE; rate <= LAST_RATE; rate *= 2) yield rate;
}
