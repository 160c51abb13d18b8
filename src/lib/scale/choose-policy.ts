import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { formatDuration } from '../core/units.js';
import type { Policy, PolicyConfig } from './policy.js';
import { predictivePolicy } from './policy-predictive.js';
import { fixedPolicy, stepPolicy } from './policy-step.js';

const FIXED = /^fixed:(\d{1,4})$/;
const MOST_WORKERS = 1024;
const LEAST_INTERVAL_MS = 100;
/** At longer intervals, a burst would be over before the next look. */
const MOST_INTERVAL_MS = 60_000;
const MOST_TARGET_MS = 86_400_000;

/** The policies by their names for `--policy`. @throws InferError POLICY (2). */
export function choosePolicy(name: string, config: PolicyConfig): Policy {
  if (name === 'predictive') return predictivePolicy(config) as Policy;
  if (name === 'step') return stepPolicy(config) as Policy;
  const fixed = FIXED.exec(name);
  if (fixed === null) {
    throw new InferError('POLICY', `there is no policy '${printable(name)}'`, {
      hint: 'predictive, step, or fixed:4 for always four',
    });
  }
  const count = Number(fixed[1]);
  if (count < config.min || count > config.max) {
    throw bad(
      `fixed:${count} is outside --min ${config.min} and --max ${config.max}`,
      `--max ${Math.max(count, config.max)}`,
    );
  }
  return fixedPolicy(count) as Policy;
}

/** Checks that the bounds are consistent. @throws InferError AUTOSCALE_BOUNDS (2). */
export function checkPolicyConfig(config: PolicyConfig): PolicyConfig {
  const { min, max, spare, threshold, targetWaitMs, intervalMs } = config;
  if (max < 1) throw bad('--max must be at least 1', '--max 4');
  if (max > MOST_WORKERS) throw bad(`--max ${max} is over ${MOST_WORKERS}`, `--max ${MOST_WORKERS}`);
  if (min > max) throw bad(`--min ${min} is more than --max ${max}`, `--min ${max} --max ${max}`);
  if (spare > max) throw bad(`--spare ${spare} is more than --max ${max}`, `--spare 1 --max ${spare + 1}`);
  if (threshold !== null && threshold < 1) throw bad('--threshold must be at least 1 job', '--threshold 50');
  if (targetWaitMs <= 0) throw bad('--target-wait must be above 0', '--target-wait 10s');
  if (targetWaitMs > MOST_TARGET_MS) throw bad('--target-wait must be at most a day', '--target-wait 10s');
  if (intervalMs > MOST_INTERVAL_MS)
    throw bad(`--interval must be at most ${formatDuration(MOST_INTERVAL_MS)}`, '--interval 2s');
  if (intervalMs < LEAST_INTERVAL_MS)
    throw bad(`--interval must be at least ${formatDuration(LEAST_INTERVAL_MS)}`, '--interval 2s');
  return config;
}

function bad(message: string, hint: string): InferError {
  return new InferError('AUTOSCALE_BOUNDS', message, { hint });
}
