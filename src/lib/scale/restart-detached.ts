import type { LoadedSettings } from '../config/load.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { chooseKnownWorkers, chooseWorkers } from './choose-workers.js';
import { startDetached } from './start-detached.js';
import type { StartOutcome } from './start-workers.js';
import { isManaged, type WorkerFile, WorkerFiles } from './worker-files.js';
import { endWorker, stateOf } from './worker-process.js';
import { wishAgain } from './worker-wishes.js';

export interface RestartOptions {
  /** How long a worker may finish its jobs, ms. */
  drainMs: number;
  /** How long each may take until it is ready, ms. */
  readyMs: number;
  signal: AbortSignal;
  onOutcome: (outcome: StartOutcome) => void;
  /** Called when `signal` fires while a worker is down: the command ends once it runs again. */
  onStopping: (name: string) => void;
}

/**
 * The workers to restart: those matching the names, or all that belong to no autoscaler and to no `infer up`.
 * @throws InferError USAGE (2) without a name and --all, WORKER_UNKNOWN (66) also for a stopped worker,
 *   AUTOSCALED (2).
 */
export function toRestart(files: WorkerFiles, names: readonly string[], all: boolean): WorkerFile[] {
  if (all === names.length > 0) {
    throw new InferError('USAGE', all ? 'give names or --all, not both' : 'which workers?', {
      hint: 'infer workers restart NAME, or --all for every one of this host',
    });
  }
  const chosen = chooseKnownWorkers(files, names);
  const managed = chosen.find(isManaged);
  if (managed !== undefined) throw managedError(managed);
  const stopped = names.find((name) => chooseWorkers(chosen, [name], files.host).length === 0);
  if (stopped !== undefined) {
    throw new InferError('WORKER_UNKNOWN', `${printable(stopped)} was stopped, and its flags with it`, {
      hint: `infer workers start --name ${stopped} starts it`,
    });
  }
  return chosen;
}

function managedError({ name, pool }: WorkerFile): InferError {
  const up = pool === undefined;
  const hint = up ? 'infer up starts it again' : 'its autoscaler starts another where one is needed';
  return new InferError('AUTOSCALED', `${printable(name)} belongs to ${up ? 'infer up' : 'an autoscaler'}`, {
    hint: `infer workers stop ${name}: ${hint}`,
  });
}

/**
 * One worker after the other finishes its jobs, exits, and is started again with the same flags, so that the
 * others work meanwhile. If a worker does not start, the rest are not restarted. The same applies when
 * `signal` fires between two workers; a worker already ended for its restart is started again in any case.
 * @throws InferError of the configuration, Redis; WORKERS_BUSY (75).
 */
export async function restartDetached(
  loaded: LoadedSettings,
  chosen: readonly WorkerFile[],
  { drainMs, readyMs, signal, onOutcome, onStopping }: RestartOptions,
): Promise<StartOutcome[]> {
  const files = new WorkerFiles(loaded.values.stateDir);
  const done: StartOutcome[] = [];
  for (const file of chosen) {
    if (signal.aborted) break;
    const tell = (): void => onStopping(file.name);
    signal.addEventListener('abort', tell, { once: true });
    try {
      if (stateOf(file) !== 'dead') await endWorker(files, file, drainMs);
      // The pid file, now that of a dead worker, stays: if this command ends here, the flags are not lost.
      const unstopped = new AbortController().signal;
      const start = { timeoutMs: readyMs, signal: unstopped, onOutcome };
      done.push(...(await startDetached(loaded, [], [wishAgain(file)], start)));
    } finally {
      signal.removeEventListener('abort', tell);
    }
    if (done.at(-1)?.outcome === 'failed') break;
  }
  return done;
}
