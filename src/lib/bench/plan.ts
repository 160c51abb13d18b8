import { InferError } from '../core/errors.js';
import type { ScenarioName } from './figures.js';
import type { Plan } from './scenarios.js';

const DURATION_MS = 5000;
const SEED = 1;
const DEFAULT_SCENARIOS: readonly ScenarioName[] = ['idle', 'drain', 'bulk', 'mixed'];
const MOST_AT_A_TIME = 10_000;
/** Jobs that are traced: ten of them are beyond p99. */
const TRACE_JOBS = 1000;

/** The flags as typed. */
export interface BenchFlags {
  scenario?: ScenarioName[] | undefined;
  duration?: number | undefined;
  rows?: number | undefined;
  concurrency?: number[] | undefined;
  rate?: number[] | undefined;
  'latency-threshold'?: number | undefined;
  seed?: number | undefined;
  'trace-one'?: boolean | undefined;
}

/**
 * What to measure. A flag that applies to one scenario selects it when none is given.
 * @throws InferError USAGE (2) for flags that no selected scenario uses.
 */
export function benchPlan(flags: BenchFlags): Plan {
  const { scenario, concurrency, rate, rows, 'latency-threshold': thresholdMs } = flags;
  const durationMs = flags.duration ?? DURATION_MS;
  if (durationMs < 1) throw usage('--duration must be above 0', '--duration 5s');
  if (flags['trace-one'] === true) {
    return {
      ...{ scenarios: [], concurrencies: [], rates: undefined, durationMs, rows, thresholdMs: undefined },
      seed: flags.seed ?? SEED,
      traceJobs: rows ?? TRACE_JOBS,
    };
  }
  const scenarios = scenario ?? chosenBy(concurrency, rate);
  const has = (...names: ScenarioName[]) => names.some((name) => scenarios.includes(name));
  if (concurrency !== undefined && !has('idle')) throw idleFlag('--concurrency', 'idle');
  if (rate !== undefined && !has('sweep')) throw idleFlag('--rate', 'sweep');
  if (rows !== undefined && !has('drain', 'bulk', 'mixed')) throw idleFlag('--rows', 'drain, bulk or mixed');
  if (thresholdMs !== undefined && !has('idle', 'mixed', 'sweep'))
    throw idleFlag('--latency-threshold', 'idle, mixed or sweep');
  const many = concurrency?.find((one) => one > MOST_AT_A_TIME);
  if (many !== undefined) throw usage(`--concurrency ${many} is over ${MOST_AT_A_TIME}`, '--concurrency 1:8');
  return {
    scenarios: [...new Set(scenarios)],
    concurrencies: concurrency ?? [1],
    rates: rate,
    durationMs,
    rows,
    seed: flags.seed ?? SEED,
    thresholdMs,
  };
}

function chosenBy(concurrency: unknown, rate: unknown): readonly ScenarioName[] {
  if (concurrency === undefined && rate === undefined) return DEFAULT_SCENARIOS;
  return [
    ...(concurrency === undefined ? [] : ['idle' as const]),
    ...(rate === undefined ? [] : ['sweep' as const]),
  ];
}

function idleFlag(flag: string, scenarios: string): InferError {
  return usage(
    `${flag} is for the scenario ${scenarios}, which is not asked for`,
    `--scenario ${scenarios.split(/,? /)[0]}`,
  );
}

function usage(message: string, hint: string): InferError {
  return new InferError('USAGE', message, { hint });
}
