import { availableParallelism } from 'node:os';
import { InferError } from '../../core/errors.js';
import { ExitCode } from '../../core/exit-codes.js';
import { printable } from '../../core/job.js';
import type { GpuReport } from '../../model/gpus.js';
import { gpusOf } from '../../model/gpus.js';
import { checkPolicyConfig, choosePolicy } from '../../scale/choose-policy.js';
import type { Policy, PolicyConfig } from '../../scale/policy.js';
import { chosenDevices, type GpuChoice } from '../../scale/slot-places.js';

/** What was typed after `infer autoscale`; times in ms. */
export interface LiveFlags {
  queues: readonly string[];
  threshold: number | null;
  min: number;
  max?: number | undefined;
  targetWaitMs: number;
  intervalMs: number;
  spare: number;
  policy: string;
  gpus: GpuChoice;
  workersPerGpu: number;
  dryRun: boolean;
  once: boolean;
  onExit: 'keep' | 'drain';
  /** For every worker. */
  args: readonly string[];
}

/** The flags as a fleet and a policy take them, checked against this host. */
export interface LivePlan {
  config: PolicyConfig;
  policy: Policy;
  /** Workers are pinned to GPUs; else they share the cores. */
  onGpus: boolean;
  places: number;
  cpuThreads: number;
}

/**
 * What to run, as this host can run it.
 * @throws InferError USAGE (exit 2) for bounds that make no sense, GPU_UNKNOWN and GPU_DISCOVERY (69).
 */
export function planOf(flags: LiveFlags, report: GpuReport, cores = availableParallelism()): LivePlan {
  const devices = chosenDevices(flags.gpus === 'none' ? [] : gpusOf(report), flags.gpus);
  const onGpus = devices.length > 0;
  // One core is left to Redis and the machine.
  const share = Math.max(1, cores - 1);
  const places = onGpus ? devices.length * flags.workersPerGpu : Math.max(share, flags.max ?? 0);
  const max = flags.max ?? places;
  if (max > places) {
    const gpus = `${devices.length} GPU${devices.length === 1 ? '' : 's'}`;
    throw usage(
      `--max ${max} is more than the ${places} places of this host (${gpus}, ${flags.workersPerGpu} worker each)`,
      `--max ${places}, or --workers-per-gpu ${Math.ceil(max / devices.length)}`,
    );
  }
  const { min, spare, threshold, targetWaitMs, intervalMs } = flags;
  if (flags.max === undefined && min > max) {
    throw usage(`--min ${min} is more than the ${max} places of this host`, `--min ${max}`);
  }
  const config = checkPolicyConfig({ min, max, spare, threshold, targetWaitMs, intervalMs });
  const cpuThreads = Math.max(1, Math.floor(share / max));
  return { config, policy: choosePolicy(flags.policy, config), onGpus, places, cpuThreads };
}

function usage(message: string, hint: string): InferError {
  return new InferError('USAGE', message, { hint, exitCode: ExitCode.Usage });
}

/** The command's flags, with defaults in place. */
export function liveFlagsOf(
  flags: {
    queues?: readonly string[] | undefined;
    threshold?: number | undefined;
    min?: number | undefined;
    max?: number | undefined;
    'target-wait'?: number | undefined;
    interval?: number | undefined;
    spare?: number | undefined;
    policy?: string | undefined;
    gpus?: string | undefined;
    'workers-per-gpu'?: number | undefined;
    'dry-run': boolean;
    once: boolean;
    'on-exit'?: 'keep' | 'drain' | undefined;
  },
  queues: readonly string[],
  words: readonly string[],
  args: readonly string[],
): LiveFlags {
  if (words[0] !== undefined)
    throw usage(`unexpected argument: ${printable(words[0])}`, 'infer autoscale --help');
  const gpus = flags.gpus ?? 'all';
  return {
    queues: flags.queues ?? queues,
    threshold: flags.threshold ?? null,
    min: flags.min ?? 1,
    max: flags.max,
    targetWaitMs: flags['target-wait'] ?? 10_000,
    intervalMs: flags.interval ?? 2000,
    spare: flags.spare ?? 0,
    policy: flags.policy ?? 'predictive',
    gpus: gpus === 'all' || gpus === 'none' ? gpus : gpus.split(',').map((one) => one.trim()),
    workersPerGpu: flags['workers-per-gpu'] ?? 1,
    dryRun: flags['dry-run'],
    once: flags.once,
    onExit: flags['on-exit'] ?? 'keep',
    args,
  };
}
