import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { JobFilter } from '../queue/read/job-filter.js';
import { listQueues } from '../queue/read/reader.js';
import { listWorkers, publishedModels } from '../queue/registry.js';
import type { RedisClient } from '../redis/types.js';

/**
 * Rejects a filter with an unknown queue, live worker or model: an empty list would suggest that all is well.
 * Call it when nothing was found, since ended jobs may name workers that have exited.
 * @throws InferError QUEUE_UNKNOWN, MODEL_UNKNOWN, WORKER_UNKNOWN (66).
 */
export async function refuseUnknownNames(
  client: RedisClient,
  prefix: string,
  filter: JobFilter,
): Promise<void> {
  const { queues, models, workers } = filter;
  if (queues === undefined && models === undefined && workers === undefined) return;
  const [known, published, live] = await Promise.all([
    listQueues(client, prefix),
    publishedModels(client, prefix),
    listWorkers(client, prefix),
  ]);
  const served = live.flatMap((worker) => worker.queues);
  const loaded = live.flatMap((worker) => worker.models.map((model) => model.name));
  refuseUnknown('queue', queues, [...known, ...served], 'infer inspect queues');
  refuseUnknown('model', models, [...published.map((model) => model.name), ...loaded], 'infer models');
  refuseUnknown(
    'worker',
    workers,
    live.map((worker) => worker.name),
    'infer inspect workers',
  );
}

const UNKNOWN = { queue: 'QUEUE_UNKNOWN', model: 'MODEL_UNKNOWN', worker: 'WORKER_UNKNOWN' } as const;

/** @throws InferError (66) with the nearest name and the command that lists the names. */
export function refuseUnknown(
  kind: 'queue' | 'model' | 'worker',
  wanted: readonly string[] | undefined,
  all: readonly string[],
  lists: string,
): void {
  const names = [...new Set(all)].sort();
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const near = closestWord(unknown, names);
  const meant = near === undefined ? '' : `did you mean ${near}? `;
  throw new InferError(UNKNOWN[kind], `no ${kind} is called '${printable(unknown)}'`, {
    hint:
      names.length === 0
        ? `there is no ${kind} at all yet`
        : `${meant}${kind}s: ${names.slice(0, 20).join(', ')} (${lists} lists them)`,
  });
}
