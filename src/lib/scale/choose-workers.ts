import { existsSync } from 'node:fs';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { isManaged, isWorkerName, type WorkerFile, type WorkerFiles } from './worker-files.js';

/**
 * Workers that the names match: a worker, all that were started under one name (`gpu` for `gpu-1` and
 * `gpu-gpu0`), or a name with its host. Without names: all that nothing would start again.
 */
export function chooseWorkers(
  all: readonly WorkerFile[],
  names: readonly string[],
  host: string,
): WorkerFile[] {
  if (names.length === 0) return all.filter((file) => !isManaged(file));
  return all.filter((file) => names.some((name) => isMeant(file, plainName(name, host))));
}

/**
 * The same, and every name must match something: a worker with a pid file, or one that ran here before and
 * left its log.
 * @throws InferError WORKER_UNKNOWN (exit 66).
 */
export function chooseKnownWorkers(files: WorkerFiles, names: readonly string[]): WorkerFile[] {
  const all = files.list();
  for (const name of names) {
    const plain = plainName(name, files.host);
    const known =
      all.some((file) => isMeant(file, plain)) || (isWorkerName(plain) && existsSync(files.logOf(plain)));
    if (!known) throw unknownWorker(name, all);
  }
  return chooseWorkers(all, names, files.host);
}

/** @param all the existing ones, for the hint. */
export function unknownWorker(name: string, all: readonly WorkerFile[]): InferError {
  const known = all.map((file) => file.name).slice(0, 10);
  return new InferError('WORKER_UNKNOWN', `this host has no background worker named '${printable(name)}'`, {
    hint:
      known.length === 0
        ? 'infer workers list shows them; none was started'
        : `use one of ${known.join(', ')}`,
  });
}

/** A name without this host. */
export function plainName(name: string, host: string): string {
  return name.endsWith(`@${host}`) ? name.slice(0, -host.length - 1) : name;
}

function isMeant(file: WorkerFile, name: string): boolean {
  return (
    file.name === name || (file.name.startsWith(`${name}-`) && isNumber(file.name.slice(name.length + 1)))
  );
}

/** The part after a group's name: `1`, `gpu0`, `gpu0-mig1-2`. */
function isNumber(text: string): boolean {
  return /^(?:gpu\d+)?(?:-?mig\d+)?(?:-?\d+)?$/.test(text);
}
