import { availableParallelism } from 'node:os';
import { plural } from '../core/counts.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { GpuReport } from '../model/gpus.js';
import { gpusOf } from '../model/gpus.js';
import { checkPolicyConfig, choosePolicy } from './choose-policy.js';
import { chosenDevices, type GpuChoice } from './host-slots.js';
import type { Policy, PolicyConfig } from './policy.js';
import { AUTOSCALED, checkWorkerArgs } from './worker-args.js';

/** The arguments of `infer autoscale`; times in ms. */
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

/** The flags in the form a fleet and a policy need, checked against this host. */
export interface LivePlan {
  config: PolicyConfig;
  policy: Policy;
  /** Whether workers are pinned to GPUs; otherwise they share the cores. */
  onGpus: boolean;
  slots: number;
  cpuThreads: number;
  /** Flags that have no effect here. */
  notes: string[];
}

/**
 * What to run, given what this host has.
 * @throws InferError USAGE (exit 2) for inconsistent bounds, GPU_UNKNOWN and GPU_DISCOVERY (69).
 */
export function planOf(flags: LiveFlags, report: GpuReport, cores = availableParallelism()): LivePlan {
  const devices = chosenDevices(flags.gpus === 'none' ? [] : gpusOf(report), flags.gpus);
  const onGpus = devices.length > 0;
  // One core is left for Redis and the machine, except on two cores, where there would be nothing to scale.
  const share = Math.max(1, cores - 1);
  const free = Math.min(cores, Math.max(2, share));
  const slots = onGpus ? devices.length * flags.workersPerGpu : Math.max(free, flags.max ?? 0);
  const max = flags.max ?? slots;
  if (max > slots) {
    const gpus = `${devices.length} GPU${devices.length === 1 ? '' : 's'}`;
    throw usage(
      `--max ${max} is more than the ${plural(slots, 'slot')} of this host (${gpus}, ${plural(flags.workersPerGpu, 'worker')} each)`,
      `--max ${slots}, or --workers-per-gpu ${Math.ceil(max / devices.length)}`,
    );
  }
  const { min, spare, threshold, targetWaitMs, intervalMs } = flags;
  if (flags.max === undefined && min > max) {
    throw usage(
      `--min ${min} is more than the ${plural(max, 'slot')} of this host`,
      onGpus ? `--min ${max}` : `--max ${min}`,
    );
  }
  const config = checkPolicyConfig({ min, max, spare, threshold, targetWaitMs, intervalMs });
  const cpuThreads = Math.max(1, Math.floor(share / max));
  checkWorkerArgs(flags.args, 'infer autoscale', AUTOSCALED);
  const notes = [
    ...(!onGpus && flags.workersPerGpu > 1 ? ['--workers-per-gpu has no effect: no GPU is used'] : []),
    ...(min === max ? [`--min and --max are both ${max}: nothing will be scaled`] : []),
  ];
  return { config, policy: choosePolicy(flags.policy, config), onGpus, slots, cpuThreads, notes };
}

function usage(message: string, hint: string): InferError {
  return new InferError('USAGE', message, { hint });
}

/** The command's flags with their defaults. */
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
    compare?: unknown;
    'cold-start'?: unknown;
    service?: unknown;
    seeds?: unknown;
  },
  queues: readonly string[],
  words: readonly string[],
  args: readonly string[],
): LiveFlags {
  if (words[0] !== undefined)
    throw usage(`unexpected argument: ${printable(words[0])}`, 'infer autoscale --help');
  for (const flag of ['compare', 'cold-start', 'service', 'seeds'] as const) {
    if (flags[flag] !== undefined)
      throw usage(`--${flag} is of simulations`, 'add --simulate all, or leave it out');
  }
  const gpus = flags.gpus ?? 'all';
  return {
    queues: [...new Set(flags.queues ?? queues)],
    threshold: flags.threshold ?? null,
    min: flags.min ?? 1,
    max: flags.max,
    targetWaitMs: flags['target-wait'] ?? 10_000,
    intervalMs: flags.interval ?? 2000,
    spare: flags.spare ?? 0,
    policy: flags.policy ?? 'predictive',
    gpus: gpus === 'all' || gpus === 'none' ? gpus : gpus.split(',').map((one) => one.trim()),
    workersPerGpu: flags['workers-per-gpu'] ?? 1,
    // An omitted flag is undefined, whatever its type says.
    dryRun: flags['dry-run'] === true,
    once: flags.once === true,
    onExit: flags['on-exit'] ?? 'keep',
    args,
  };
}
