import { availableParallelism } from 'node:os';
import type { LoadedSettings } from '../config/load.js';
import type { WorkerGroup } from '../config/worker-groups.js';
import { devicesOf } from '../model/gpu-parse.js';
import { discoverGpus, type GpuReport } from '../model/gpus.js';
import { type WorkerWish, wishesOf } from '../scale/worker-wishes.js';
import type { Missing } from './types.js';

/** Name of its worker, and the first part of the names of several. */
const NAME = 'up';
/** Each runner has the models in memory again, so a large machine does not get one for every two cores. */
const MOST_RUNNERS = 4;

/** The workers to start, and what is wrong with this host's GPUs. */
export interface WorkerWants {
  wishes: WorkerWish[];
  missing: Missing[];
}

/**
 * The workers of `infer up`: those of the configuration's `workers`; else one for each GPU; else one on the
 * CPU, with `--autoscale` unless the settings say how many runs at a time.
 * @throws InferError USAGE (2), NO_GPU (69) for groups that this host cannot have.
 */
export async function workerWants(loaded: LoadedSettings, host: string): Promise<WorkerWants> {
  const { values } = loaded;
  const configured = values.workers ?? [];
  const asks = configured.length > 0 ? configured.some((group) => group.perGpu === true) : mayUseGpus(loaded);
  const report: GpuReport = asks ? await discoverGpus() : { state: 'ok', gpus: [] };
  const groups = configured.length > 0 ? configured : [ownGroup(loaded, report)];
  const wishes = wishesOf(groups, {
    host,
    queues: values.queues,
    cores: availableParallelism(),
    gpus: report.gpus,
    threadsGiven: values.threads !== undefined,
    runners: values.autoscale?.max ?? values.concurrency,
  });
  return { wishes, missing: gpuProblem(report) };
}

/** NVIDIA GPUs are used by these; a `gpu` that is set names the only one. */
function mayUseGpus({ values: { provider, gpu } }: LoadedSettings): boolean {
  return gpu === undefined && ['auto', 'cuda', 'tensorrt'].includes(provider);
}

function ownGroup(loaded: LoadedSettings, { gpus }: GpuReport): WorkerGroup {
  const { gpu } = loaded.values;
  if (gpu !== undefined) return { name: NAME, gpu };
  if (devicesOf(gpus).length > 0) return { name: NAME, perGpu: true };
  return { name: NAME, args: autoscaleArgs(loaded, availableParallelism()) };
}

/**
 * `--autoscale` for a worker on the CPU: half as many runs at a time as there are cores, two at least and
 * four at most. None where the settings decide, or the models run elsewhere.
 */
export function autoscaleArgs({ values, sources }: LoadedSettings, cores: number): string[] {
  const decided = [sources.autoscale, sources.concurrency].some(({ kind }) => kind !== 'default');
  if (decided || values.requireGpu || !['auto', 'cpu'].includes(values.provider)) return [];
  const most = Math.min(MOST_RUNNERS, cores, Math.max(2, Math.floor(cores / 2)));
  return most > 1 ? ['--autoscale', `${most},1`] : [];
}

function gpuProblem({ state, reason = '' }: GpuReport): Missing[] {
  if (state !== 'failed' && state !== 'hung') return [];
  return [
    {
      code: 'GPU_DISCOVERY',
      message: `the GPUs of this host are not known, so the worker runs on the CPU: ${reason}`,
      fix: 'nvidia-smi',
    },
  ];
}
