import { BOUNDS, checkBound } from '../core/bounds.js';
import { InferError } from '../core/errors.js';
import { checkJobId, checkPriority, checkQueueName, checkTimeLimit, newId } from '../core/job.js';
import type { ModelSignature } from '../model/signature.js';
import type { JobSpec } from '../queue/types.js';
import { serverTime } from '../redis/server-clock.js';
import type { SubmitOptions, SubmittedJob } from './types.js';

/** A new id that contains Redis's time, so that its age is the same on every host. */
export function nextId(kind: 'j' | 'g'): string {
  return newId(kind, serverTime());
}

/** Queue of a submission: the requested one, else `realtime` for one row and `batch` for many. */
export function queueFor(rows: number, options: SubmitOptions): string {
  return checkQueueName(options.queue ?? (rows === 1 ? 'realtime' : 'batch'));
}

/**
 * The checked spec of a job.
 * @param defaults `now`: Redis's time, ms since the epoch. `reply`: list for the notice of its end, if the
 *   client is already listening. `trace`: it is traced.
 * @throws InferError JOB_ID, PRIORITY_RANGE, QUEUE_NAME, DELAY, RESULT_TTL_RANGE, EXPIRES_RANGE,
 *   RETRIES_RANGE, RETRY_DELAY_RANGE, TIME_LIMIT_RANGE (2).
 */
export function specOf(
  rows: number,
  signature: ModelSignature,
  options: SubmitOptions,
  defaults: { resultTtl: number; reply?: string | undefined; now: number; trace?: boolean },
): JobSpec {
  const { expiresMs, retries, retryDelayMs, timeLimitMs, softTimeLimitMs } = checkNumbers(options);
  const { now } = defaults;
  const notBefore = startOf(options, now);
  return {
    id: options.id === undefined ? nextId('j') : checkJobId(options.id),
    queue: queueFor(rows, options),
    model: signature.name,
    ...(signature.pinned === true ? { version: signature.version } : {}),
    rows,
    priority: checkPriority(options.priority ?? 0),
    resultTtl: checkBound(
      'RESULT_TTL_RANGE',
      'resultTtl (seconds a result is kept)',
      options.resultTtl ?? defaults.resultTtl,
      BOUNDS.keepS,
    ),
    ...(defaults.reply === undefined ? {} : { reply: defaults.reply }),
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(expiresMs === undefined ? {} : { deadline: (notBefore ?? now) + expiresMs }),
    ...(retries === undefined ? {} : { attempts: retries + 1 }),
    ...(retryDelayMs === undefined ? {} : { retryDelayMs }),
    ...(timeLimitMs === undefined ? {} : { timeLimitMs }),
    ...(softTimeLimitMs === undefined ? {} : { softTimeLimitMs }),
    ...(defaults.trace === true ? { trace: true } : {}),
    ...(options.owner === undefined ? {} : { owner: options.owner }),
    ...(options.id === undefined || options.digest === undefined ? {} : { digest: options.digest }),
  };
}

/** What the submitter of a job is told. */
export function submittedOf(spec: JobSpec, duplicate: boolean): SubmittedJob {
  const { id, queue, priority, model, version, rows } = spec;
  const job = { id, queue, priority, model, ...(version === undefined ? {} : { version }), rows };
  return duplicate ? { ...job, duplicate } : job;
}

/** The numbers of a submission, checked against their bounds. */
function checkNumbers(options: SubmitOptions): SubmitOptions {
  const { expiresMs, retries, retryDelayMs, timeLimitMs, softTimeLimitMs } = options;
  const given = <T>(value: number | undefined, check: (value: number) => T) =>
    value === undefined ? undefined : check(value);
  return {
    expiresMs: given(expiresMs, (ms) => checkBound('EXPIRES_RANGE', 'expiresMs', ms, BOUNDS.expiresMs)),
    retries: given(retries, (count) => checkBound('RETRIES_RANGE', 'retries', count, BOUNDS.retries)),
    retryDelayMs: given(retryDelayMs, (ms) =>
      checkBound('RETRY_DELAY_RANGE', 'retryDelayMs', ms, BOUNDS.retryDelayMs),
    ),
    timeLimitMs: given(timeLimitMs, checkTimeLimit),
    softTimeLimitMs: given(softTimeLimitMs, checkTimeLimit),
  };
}

/** When a job may start, ms since the epoch; undefined for immediately. @throws InferError DELAY (2). */
function startOf({ delayMs, startAt }: SubmitOptions, now: number): number | undefined {
  if (delayMs === undefined && startAt === undefined) return undefined;
  const delay = delayMs ?? (startAt as number) - now;
  if (
    typeof (delayMs ?? startAt) !== 'number' ||
    (delayMs !== undefined && startAt !== undefined) ||
    !(delay <= BOUNDS.delayMs.max) ||
    (delayMs ?? 0) < 0
  ) {
    throw new InferError('DELAY', 'a job starts at most a year from now, by a delay or at a time', {
      hint: 'give a delay such as 10m, or a time within a year, and not both',
    });
  }
  return delay <= 0 ? undefined : Math.round(now + delay);
}
