import { closestWord } from '../../config/suggest.js';
import { InferError } from '../../core/errors.js';
import { ExitCode } from '../../core/exit-codes.js';
import { printable } from '../../core/job.js';
import type { WorkerRecord } from '../../queue/broker.js';

/**
 * The queues asked for, or all that ever got a job. One that a worker serves is known before its first.
 * @throws InferError QUEUE_UNKNOWN (66) with the nearest name.
 */
export function pickQueues(
  known: readonly string[],
  workers: readonly Pick<WorkerRecord, 'queues'>[],
  asked: readonly string[] | undefined,
): readonly string[] {
  if (asked === undefined) return known;
  const all = new Set([...known, ...workers.flatMap((worker) => worker.queues)]);
  for (const name of asked) if (!all.has(name)) throw unknown('queue', name, all);
  return [...new Set(asked)];
}

/**
 * The workers of these names or ids, or all; workers may share a name.
 * @throws InferError WORKER_UNKNOWN (66) with the nearest name.
 */
export function pickWorkers<W extends Pick<WorkerRecord, 'id' | 'name'>>(
  workers: readonly W[],
  asked: readonly string[] | undefined,
): W[] {
  if (asked === undefined) return [...workers];
  for (const name of asked) {
    if (!workers.some((worker) => worker.name === name || worker.id === name)) {
      throw unknown(
        'worker',
        name,
        workers.map((worker) => worker.name),
      );
    }
  }
  return workers.filter((worker) => asked.includes(worker.name) || asked.includes(worker.id));
}

function unknown(kind: 'queue' | 'worker', name: string, known: Iterable<string>): InferError {
  const near = closestWord(name, known);
  const list = kind === 'queue' ? 'infer inspect queues' : 'infer inspect workers';
  return new InferError(`${kind.toUpperCase()}_UNKNOWN`, `there is no ${kind} '${printable(name)}'`, {
    hint: near === undefined ? `${list} lists them` : `did you mean ${printable(near)}? ${list} lists them`,
    exitCode: ExitCode.NoInput,
  });
}
