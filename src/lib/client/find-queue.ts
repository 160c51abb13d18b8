import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { checkQueueName, printable } from '../core/job.js';
import { listQueues } from '../queue/reader.js';
import { listWorkers } from '../queue/registry.js';
import type { RedisClient } from '../redis/types.js';

/** Queues that ever got a job, or that a live worker serves. */
async function knownQueues(client: RedisClient, prefix: string): Promise<string[]> {
  const [used, workers] = await Promise.all([listQueues(client, prefix), listWorkers(client, prefix)]);
  return [...new Set([...used, ...workers.flatMap((worker) => worker.queues)])].sort();
}

/**
 * Refuses the name of a queue that nobody has heard of.
 * @throws InferError QUEUE_UNKNOWN (66) with the nearest name.
 */
export async function checkKnownQueue(client: RedisClient, prefix: string, name: string): Promise<void> {
  checkQueueName(name);
  const known = await knownQueues(client, prefix);
  if (known.includes(name)) return;
  const near = closestWord(name, known);
  const meant = near === undefined ? '' : `did you mean ${near}? `;
  throw new InferError('QUEUE_UNKNOWN', `no queue is called '${printable(name)}'`, {
    hint:
      known.length === 0 ? 'no queue has got a job yet' : `${meant}queues: ${known.slice(0, 20).join(', ')}`,
    exitCode: ExitCode.NoInput,
  });
}
