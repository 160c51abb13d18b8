import type { FailureRecord } from '../core/errors.js';
import { fromBullPriority, type JobState } from '../core/job.js';
import type { JobRecord, ResultMeta } from './broker.js';
import { fromJobData } from './job-data.js';

/** What a list reads of a job's hash: everything small. */
export const LIST_FIELDS = [
  'timestamp',
  'processedOn',
  'finishedOn',
  'ats',
  'st',
  'm',
  'f',
  'priority',
  'name',
  'failedReason',
  'tk',
  'pb',
] as const;

/** With `data`, where an input of up to 4 KB may ride. */
export const JOB_FIELDS = ['data', ...LIST_FIELDS] as const;

/** The fields of a job's hash that are there. */
export type JobFields = Partial<Record<(typeof JOB_FIELDS)[number], string>>;

export function namedFields<Name extends string>(
  names: readonly Name[],
  values: readonly (string | null)[],
): Partial<Record<Name, string>> {
  const fields: Partial<Record<Name, string>> = {};
  for (const [i, name] of names.entries()) {
    const value = values[i];
    if (value !== null && value !== undefined) fields[name] = value;
  }
  return fields;
}

/** BullMQ's delayed score: milliseconds * 4096 + a counter. */
const DELAYED_UNIT = 4096;
const NAME = /^(.*)#(\d+)$/s;

/**
 * A job by its hash. `placed` is the state that BullMQ's lists say, which holds until the job has
 * ended by our scripts; `delayedScore` its score in the delayed set. Without `data` the record has
 * no group and no result time.
 */
export function recordOf(
  id: string,
  queue: string,
  fields: JobFields,
  placed: JobState,
  delayedScore?: number,
): JobRecord {
  const spec = fields.data === undefined ? undefined : fromJobData(fields.data, id, queue)?.spec;
  const name = NAME.exec(fields.name ?? '');
  const { processedOn, finishedOn, tk: token } = fields;
  const meta = fields.m ? (JSON.parse(fields.m) as ResultMeta) : undefined;
  const failure = fields.f
    ? (JSON.parse(fields.f) as FailureRecord)
    : fields.failedReason
      ? { code: 'FAILED', message: fields.failedReason }
      : undefined;
  const worker = meta?.worker ?? fields.pb;
  return {
    id,
    queue,
    state: (fields.st as JobState | undefined) ?? placed,
    model: spec?.model ?? name?.[1] ?? fields.name ?? '',
    rows: spec?.rows ?? Number(name?.[2] ?? 1),
    // The field is what the queue goes by; the copy in `data` is from the submit.
    priority: fromBullPriority(Number(fields.priority ?? 0)),
    submittedAt: Number(fields.timestamp),
    ...(token ? { endedBy: token } : {}),
    attempts: Number(fields.ats ?? 0),
    ...(processedOn ? { startedAt: Number(processedOn) } : {}),
    ...(finishedOn ? { finishedAt: Number(finishedOn) } : {}),
    ...(spec?.group === undefined ? {} : { group: spec.group }),
    ...(spec?.resultTtl === undefined ? {} : { resultTtl: spec.resultTtl }),
    ...(failure === undefined ? {} : { failure }),
    ...(meta === undefined ? {} : { meta }),
    ...(delayedScore === undefined ? {} : { runAt: Math.floor(delayedScore / DELAYED_UNIT) }),
    ...(worker === undefined ? {} : { worker }),
  };
}
