import { availableParallelism } from 'node:os';
import type { LoadedSettings } from '../config/load.js';
import type { WorkerGroup } from '../config/worker-groups.js';
import { InferError } from '../core/errors.js';
import { takeLock } from '../core/file-lock.js';
import { discoverGpus, gpusOf } from '../model/gpus.js';
import { closeClient, connect, resolveTarget } from '../redis/connect.js';
import { connectionSettings } from '../redis/from-settings.js';
import { chooseWorkers } from './choose-workers.js';
import { type StartOutcome, startWorkers } from './start-workers.js';
import { isManaged, type WorkerFile, WorkerFiles } from './worker-files.js';
import { type WorkerWish, wishAgain, wishesOf } from './worker-wishes.js';

/** Another `workers start` may be waiting for its models. */
const LOCK_WAIT_MS = 120_000;

/** The arguments of `infer workers start`. */
export interface StartFlags {
  /** Groups of the configuration, by name. */
  names: readonly string[];
  name?: string | undefined;
  queues?: readonly string[] | undefined;
  gpu?: string | undefined;
  count?: number | undefined;
  perGpu: boolean;
  args: readonly string[];
}

/**
 * Splits names: groups of the configuration, and workers that ran here before (for example before a reboot),
 * which are started with their earlier flags.
 * @throws InferError USAGE (exit 2) if the latter would get other flags.
 */
export function ranBefore(
  flags: StartFlags,
  configured: readonly WorkerGroup[] | undefined,
  files: WorkerFiles,
): { flags: StartFlags; again: WorkerWish[] } {
  const isGroup = (name: string) => (configured ?? []).some((group) => group.name === name);
  const known = files.list().filter((file) => !isManaged(file));
  const found = new Map<string, WorkerFile[]>();
  for (const name of flags.names) {
    const meant = isGroup(name) ? [] : chooseWorkers(known, [name], files.host);
    if (meant.length > 0) found.set(name, meant);
  }
  const given = typed(flags);
  const [name] = found.keys();
  if (name !== undefined && given.length > 0) {
    const those = [...found.keys()].join(', ');
    throw usage(
      `${those} ran before and ${found.size > 1 ? 'are started with the flags they' : 'is started with the flags it'} had: ${given.join(', ')} would not count`,
      `leave that out; for other flags: infer workers stop ${name}, then infer workers start --name ${name} …`,
    );
  }
  const names = flags.names.filter((name) => !found.has(name));
  return { flags: { ...flags, names }, again: [...new Set([...found.values()].flat())].map(wishAgain) };
}

/** The flags that configure a worker, if typed. */
function typed({ name, queues, gpu, count, perGpu, args }: StartFlags): string[] {
  const given = {
    '--name': name,
    '-Q': queues,
    '--gpu': gpu,
    '--count': count,
    '--per-gpu': perGpu || undefined,
  };
  const flags = Object.entries(given).flatMap(([flag, value]) => (value === undefined ? [] : [flag]));
  return args.length === 0 ? flags : [...flags, 'what follows --'];
}

/**
 * The selected groups: one built from flags, or those of the configuration, or one worker.
 * @throws InferError USAGE (exit 2) when both are given, WORKERS_UNKNOWN (exit 2).
 */
export function groupsOf(flags: StartFlags, configured: readonly WorkerGroup[] | undefined): WorkerGroup[] {
  const { names, name, queues, gpu, count, perGpu, args } = flags;
  const made = [name, queues, gpu, count].some((one) => one !== undefined) || perGpu;
  if (made && names.length > 0) {
    throw usage(
      'names mean workers of the configuration, flags mean others',
      'infer workers start --name gpu --count 2',
    );
  }
  if (made || (names.length === 0 && (configured ?? []).length === 0)) {
    return [{ name: name ?? 'worker', queues, gpu, count, perGpu, args }];
  }
  const known = configured ?? [];
  const chosen = names.length === 0 ? known : names.map((one) => find(one, known));
  return chosen.map((group) => ({ ...group, args: [...(group.args ?? []), ...args] }));
}

function find(name: string, known: readonly WorkerGroup[]): WorkerGroup {
  const group = known.find((one) => one.name === name);
  if (group !== undefined) return group;
  const names = known.map((one) => one.name).join(', ');
  throw new InferError('WORKERS_UNKNOWN', `the configuration has no workers named '${name}'`, {
    hint: names === '' ? `infer workers start --name ${name}` : `use one of ${names}`,
  });
}

function usage(message: string, hint: string): InferError {
  return new InferError('USAGE', message, { hint });
}

/**
 * Starts detached workers and waits for each, holding this host's lock.
 * @throws InferError of the configuration, Redis, nvidia-smi; WORKERS_BUSY (exit 75). A worker that fails is
 *   an outcome, not an error.
 */
export async function startDetached(
  loaded: LoadedSettings,
  groups: readonly WorkerGroup[],
  again: readonly WorkerWish[],
  options: { timeoutMs: number; signal: AbortSignal; onOutcome: (outcome: StartOutcome) => void },
): Promise<StartOutcome[]> {
  const { stateDir, queues, prefix, threads, autoscale, concurrency } = loaded.values;
  const files = new WorkerFiles(stateDir);
  const gpus = groups.some((group) => group.perGpu === true) ? gpusOf(await discoverGpus()) : [];
  const facts = {
    host: files.host,
    queues,
    cores: availableParallelism(),
    gpus,
    threadsGiven: threads !== undefined,
    runners: autoscale?.max ?? concurrency,
  };
  const wishes = [...again, ...wishesOf(groups, facts)];
  const settings = connectionSettings(loaded, true);
  const target = await resolveTarget(settings);
  // A Redis that does not answer is reported once, not by every worker.
  await closeClient(await connect(target, 'command', settings));
  const lock = await takeLock(files.startLock, {
    waitMs: LOCK_WAIT_MS,
    busy: (holder) =>
      new InferError('WORKERS_BUSY', `another command (pid ${holder.pid}) is starting workers on this host`, {
        hint: 'try again when it is done; infer workers list shows how far it is',
      }),
  });
  try {
    return await startWorkers(wishes, { ...options, files, launch: { redisUrl: target.url, prefix } });
  } finally {
    lock.release();
  }
}
