import { checkJobId, checkPriority, checkQueueName, newId } from '../core/job.js';
import type { ModelSignature } from '../model/signature.js';
import type { JobSpec } from '../queue/broker.js';
import type { SubmitOptions } from './types.js';

/** Queue of a submission: the one asked for, else `realtime` for one row and `batch` for many. */
export function queueFor(rows: number, options: SubmitOptions): string {
  return checkQueueName(options.queue ?? (rows === 1 ? 'realtime' : 'batch'));
}

/**
 * What a job will carry, checked.
 * @param reply list for the notice of its end, when somebody listens already.
 * @throws InferError JOB_ID, PRIORITY_RANGE, QUEUE_NAME (2).
 */
export function specOf(
  rows: number,
  signature: ModelSignature,
  options: SubmitOptions,
  defaults: { resultTtl: number; reply?: string | undefined },
): JobSpec {
  const { expiresMs, retries, retryDelayMs, timeLimitMs, softTimeLimitMs } = options;
  return {
    id: options.id === undefined ? newId('j') : checkJobId(options.id),
    queue: queueFor(rows, options),
    model: signature.name,
    rows,
    priority: checkPriority(options.priority ?? 0),
    resultTtl: options.resultTtl ?? defaults.resultTtl,
    ...(defaults.reply === undefined ? {} : { reply: defaults.reply }),
    ...(expiresMs === undefined ? {} : { deadline: Date.now() + expiresMs }),
    ...(retries === undefined ? {} : { attempts: retries + 1 }),
    ...(retryDelayMs === undefined ? {} : { retryDelayMs }),
    ...(timeLimitMs === undefined ? {} : { timeLimitMs }),
    ...(softTimeLimitMs === undefined ? {} : { softTimeLimitMs }),
  };
}
