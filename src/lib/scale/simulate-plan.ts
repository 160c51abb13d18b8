import { InferError } from '../core/errors.js';
import { checkPolicyConfig } from './choose-policy.js';
import type { PolicyConfig } from './policy.js';

const DEFAULT_COMPARE = ['step', 'predictive'];
const DEFAULT_MAX = 4;
const DEFAULT_TARGET_MS = 10_000;
const DEFAULT_INTERVAL_MS = 2000;
const DEFAULT_COLD_START_MS = 20_000;
const DEFAULT_SERVICE_MS = 250;
const DEFAULT_SEEDS = 3;
const DAY_MS = 86_400_000;

/** The flags as typed. */
export interface SimulateFlags {
  simulate: string;
  compare?: string[] | undefined;
  policy?: string | undefined;
  threshold?: number | undefined;
  min?: number | undefined;
  max?: number | undefined;
  spare?: number | undefined;
  'target-wait'?: number | undefined;
  interval?: number | undefined;
  'cold-start'?: number | undefined;
  service?: number | undefined;
  seeds?: number | undefined;
  queues?: unknown;
  gpus?: unknown;
  'workers-per-gpu'?: unknown;
  'on-exit'?: unknown;
  'drain-timeout'?: unknown;
  'dry-run'?: boolean;
  once?: boolean;
}

/** Flags that only affect a live autoscaler. */
const LIVE = ['queues', 'gpus', 'workers-per-gpu', 'on-exit', 'drain-timeout', 'dry-run', 'once'] as const;

export interface SimulatePlan {
  /** A built-in trace, `all`, `-`, or a file. */
  readonly source: string;
  readonly policies: readonly string[];
  readonly config: PolicyConfig;
  readonly coldStartMs: number;
  readonly serviceMs: number;
  readonly seeds: number;
}

/** @throws InferError USAGE, AUTOSCALE_BOUNDS (2). */
export function simulatePlan(flags: SimulateFlags): SimulatePlan {
  const live = LIVE.find((flag) => flags[flag] !== undefined && flags[flag] !== false);
  if (live !== undefined) throw usage(`--${live} means nothing in a simulation`, `leave --${live} out`);
  const config = checkPolicyConfig({
    min: flags.min ?? 1,
    max: flags.max ?? DEFAULT_MAX,
    spare: flags.spare ?? 0,
    threshold: flags.threshold ?? null,
    targetWaitMs: flags['target-wait'] ?? DEFAULT_TARGET_MS,
    intervalMs: flags.interval ?? DEFAULT_INTERVAL_MS,
  });
  const coldStartMs = flags['cold-start'] ?? DEFAULT_COLD_START_MS;
  const serviceMs = flags.service ?? DEFAULT_SERVICE_MS;
  if (serviceMs <= 0) throw usage('--service must be above 0', '--service 250ms');
  if (coldStartMs > DAY_MS) throw usage('--cold-start must be at most a day', '--cold-start 20s');
  if (serviceMs > DAY_MS) throw usage('--service must be at most a day', '--service 250ms');
  if (flags.compare !== undefined && flags.policy !== undefined) {
    throw usage(
      '--compare names the policies to simulate, --policy the one that runs: give one of them',
      '--compare step,predictive',
    );
  }
  const named = flags.compare ?? (flags.policy === undefined ? DEFAULT_COMPARE : [flags.policy]);
  return {
    source: flags.simulate,
    policies: [...new Set(named)],
    config,
    coldStartMs,
    serviceMs,
    seeds: flags.seeds ?? DEFAULT_SEEDS,
  };
}

function usage(message: string, hint: string): InferError {
  return new InferError('USAGE', message, { hint });
}
