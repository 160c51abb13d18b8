import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { THRESHOLDS } from '../core/thresholds.js';
import { formatDuration } from '../core/units.js';
import type { WorkerRecord } from '../queue/types.js';

/**
 * The live workers matching the addresses: a name (several may share one), an id, a host, or a pattern of
 * names with `*` and `?`; each worker once.
 * @throws InferError WORKER_UNKNOWN (66) for an address without a match, NO_WORKERS (69) when no worker is
 *   alive.
 */
export function findWorkers(workers: readonly WorkerRecord[], addresses: readonly string[]): WorkerRecord[] {
  if (workers.length === 0) {
    throw new InferError('NO_WORKERS', 'no worker is running', {
      hint: `infer worker starts one; a worker that was killed is forgotten after ${formatDuration(THRESHOLDS.workerForgotten.value)}`,
    });
  }
  const found = new Set<WorkerRecord>();
  for (const address of addresses) {
    const matches = workers.filter((worker) => isMeant(worker, address));
    if (matches.length === 0) throw unknownWorker(workers, address);
    for (const worker of matches) found.add(worker);
  }
  return [...found];
}

/**
 * Whether an address matches a worker: its name (also without `@host`), id or host, or a pattern of names.
 */
export function isMeant(
  { id, name, host }: Pick<WorkerRecord, 'id' | 'name' | 'host'>,
  address: string,
): boolean {
  // `rt-1` is enough for the worker `rt-1@host` of `infer workers`.
  if ([id, name, host].includes(address) || name === `${address}@${host}`) return true;
  if (!/[*?]/.test(address)) return false;
  const pattern = address
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${pattern}$`, 's').test(name);
}

function unknownWorker(workers: readonly WorkerRecord[], address: string): InferError {
  const names = [...new Set(workers.flatMap(({ name, host }) => [name, host]))];
  const near = closestWord(address, names);
  const list = [...new Set(workers.map(({ name }) => name))].map(printable).slice(0, 10).join(', ');
  return new InferError('WORKER_UNKNOWN', `there is no live worker ${printable(address)}`, {
    hint: `${near === undefined ? '' : `did you mean ${printable(near)}? `}workers now: ${list}`,
  });
}
