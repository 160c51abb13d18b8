import { MOST_WORKERS, type WorkerGroup } from '../config/worker-groups.js';
import { InferError } from '../core/errors.js';
import { devicesOf, type Gpu } from '../model/gpu-parse.js';
import { threadShare } from './thread-share.js';
import { checkWorkerArgs } from './worker-args.js';
import { checkWorkerName, type WorkerFile } from './worker-files.js';

/** A worker to be started. */
export interface WorkerWish {
  /** Name of its pid file. */
  name: string;
  queues: readonly string[];
  /** UUID or index; null for none. */
  gpu: string | null;
  /** Arguments of `infer worker`, all of them. */
  argv: readonly string[];
  /** It has run before: its pid file is kept if it does not start. */
  again?: boolean;
}

export interface WishFacts {
  host: string;
  /** Queues for groups that name none. */
  queues: readonly string[];
  /** CPU cores of this host. */
  cores: number;
  /** Queried only if a group wants one worker per GPU. */
  gpus: readonly Gpu[];
  /** Threads are set elsewhere (`--threads`, INFER_THREADS): they are not divided here. */
  threadsGiven: boolean;
  /** Maximum number of runners of a worker, unless its arguments say. */
  runners: number;
}

/** A wish for the worker of a pid file, with the same flags. */
export function wishAgain({ name, queues, gpu, argv }: WorkerFile): WorkerWish {
  return { name, queues, gpu, argv, again: true };
}

/**
 * The workers of the given groups, each with its own name.
 * @throws InferError USAGE (exit 2) for an invalid wish, NO_GPU (exit 69).
 */
export function wishesOf(groups: readonly WorkerGroup[], facts: WishFacts): WorkerWish[] {
  const places = groups.flatMap((group) => placesOf(group, facts).map((place) => ({ group, ...place })));
  if (places.length > MOST_WORKERS) {
    throw usage(`${places.length} workers are too many`, `start ${MOST_WORKERS} at most`);
  }
  const onCpu = places.filter((place) => place.gpu === null).length;
  const wishes = places.map(({ group, name, gpu, shared }): WorkerWish => {
    const queues = group.queues ?? facts.queues;
    const extra = group.args ?? [];
    checkWorkerArgs(extra, 'infer workers start', { '--name': '--name' });
    // Otherwise each would use all cores but one, and together they would only slow each other down.
    const share = gpu === null && onCpu > 1 && !facts.threadsGiven && !has(extra, '--threads');
    return {
      name: checkWorkerName(name),
      queues,
      gpu,
      argv: [
        ...['--name', `${name}@${facts.host}`, '-Q', queues.join(',')],
        ...(gpu === null ? [] : ['--gpu', gpu]),
        ...(shared ? ['--share-gpu'] : []),
        ...(share ? ['--threads', String(threadShare((facts.cores - 1) / onCpu, extra, facts.runners))] : []),
        ...extra,
      ],
    };
  });
  const twice = wishes.find((wish, at) => wishes.findIndex((other) => other.name === wish.name) !== at);
  if (twice !== undefined)
    throw usage(`two workers would be named ${twice.name}`, 'give each group a --name');
  return wishes;
}

interface Place {
  name: string;
  gpu: string | null;
  shared: boolean;
}

function placesOf(group: WorkerGroup, facts: WishFacts): Place[] {
  const { name, gpu, count = 1, perGpu = false } = group;
  const numbered = (base: string) =>
    count === 1 ? [base] : Array.from({ length: count }, (_, at) => `${base}-${at + 1}`);
  if (!perGpu) {
    if (gpu !== undefined && count > 1 && !has(group.args ?? [], '--share-gpu')) {
      throw usage(
        `${count} workers cannot have GPU ${gpu} each`,
        'start one, or let them share it: infer workers start … -- --share-gpu',
      );
    }
    return numbered(name).map((one) => ({ name: one, gpu: gpu ?? null, shared: false }));
  }
  if (gpu !== undefined) throw usage('--per-gpu and --gpu say different things', 'leave one of them out');
  const devices = devicesOf(facts.gpus);
  if (devices.length === 0) {
    throw new InferError('NO_GPU', 'this host has no GPU that nvidia-smi shows', {
      hint: 'start workers on the CPU: infer workers start --count 2',
    });
  }
  return devices.flatMap(({ uuid, gpu: { index, mig } }) => {
    const part = mig.findIndex((instance) => instance.uuid === uuid);
    const base = `${name}-gpu${index}${part < 0 ? '' : `-mig${part}`}`;
    return numbered(base).map((one) => ({ name: one, gpu: uuid, shared: count > 1 }));
  });
}

function has(args: readonly string[], flag: string): boolean {
  return args.some((arg) => arg === flag || arg.startsWith(`${flag}=`));
}

function usage(message: string, hint: string): InferError {
  return new InferError('USAGE', message, { hint });
}
