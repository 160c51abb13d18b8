import type { FailureRecord, OwnFailure } from '../core/errors.js';
import { fromBullPriority, idTime, type JobState, toBullPriority } from '../core/job.js';
import { numberOr, parsedObject } from '../redis/wrong-type.js';
import { damageFailure } from './damage.js';
import { fromJobData } from './job-data.js';
import { LAYOUTS, newerThan, splitRoute } from './layout.js';
import { JOB_STATES } from './read/job-filter.js';
import type { JobRecord, ResultMeta } from './types.js';
import { DELAYED_UNIT, JOB } from './wire.js';

/** What a list reads of a job's hash: the small fields. */
export const LIST_FIELDS = [
  'timestamp',
  'processedOn',
  'finishedOn',
  JOB.attemptsStarted,
  JOB.state,
  JOB.meta,
  JOB.failure,
  'priority',
  'name',
  'failedReason',
  JOB.endedBy,
  JOB.worker,
] as const;

/** With `data`, which may contain an input of up to 4 KB. */
export const JOB_FIELDS = ['data', ...LIST_FIELDS] as const;

/** The fields that a job's hash has. */
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

const NAME = /^(.*)#(\d+)$/s;
const LEAST = toBullPriority(0);

/**
 * A job from its hash. `placed` is the state according to BullMQ's lists, which applies until one of our
 * scripts ends the job; `delayedScore` is its score in the delayed set. Without `data` the record has no
 * version, no group, no owner and no result TTL. A damaged field counts as absent.
 */
export function recordOf(
  id: string,
  queue: string,
  fields: JobFields,
  placed: JobState,
  delayedScore?: number,
): JobRecord {
  const name = NAME.exec(fields.name ?? '');
  const { route, mark } = splitRoute(name?.[1] ?? '');
  const newer = newerThan(LAYOUTS, mark);
  const spec =
    fields.data === undefined || newer !== undefined ? undefined : fromJobData(fields.data, id, queue)?.spec;
  const token = fields[JOB.endedBy];
  const startedAt = numberOr(fields.processedOn, undefined);
  const finishedAt = numberOr(fields.finishedOn, undefined);
  const meta = parsedObject<ResultMeta>(fields[JOB.meta]);
  const failure = failureOf(fields);
  const worker = meta?.worker ?? fields[JOB.worker];
  return {
    id,
    queue,
    state: JOB_STATES.find((state) => state === fields[JOB.state]) ?? placed,
    model: spec?.model ?? (route || fields.name || undefined),
    ...(spec?.version === undefined ? {} : { version: spec.version }),
    rows: spec?.rows ?? Number(name?.[2] ?? 1),
    // The queue goes by this field; the copy in `data` is from the submit.
    priority: fromBullPriority(numberOr(fields.priority, fields.priority === undefined ? 0 : LEAST)),
    submittedAt: numberOr(fields.timestamp, idTime(id) ?? 0),
    ...(token ? { endedBy: token } : {}),
    attempts: numberOr(fields[JOB.attemptsStarted], 0),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(spec?.group === undefined ? {} : { group: spec.group }),
    ...(spec?.resultTtl === undefined ? {} : { resultTtl: spec.resultTtl }),
    ...(failure === undefined ? {} : { failure }),
    ...(meta === undefined ? {} : { meta }),
    ...(delayedScore === undefined ? {} : { runAt: Math.floor(delayedScore / DELAYED_UNIT) }),
    ...(worker === undefined ? {} : { worker }),
    ...(newer === undefined ? {} : { newer }),
    ...(spec?.owner === undefined ? {} : { owner: spec.owner }),
    ...(spec?.digest === undefined ? {} : { digest: spec.digest }),
  };
}

function failureOf({ [JOB.failure]: f, failedReason }: JobFields): FailureRecord | undefined {
  const failure = parsedObject<Partial<FailureRecord>>(f);
  if (typeof failure?.code === 'string' && typeof failure.message === 'string') {
    return failure as FailureRecord;
  }
  return failedReason ? endedElsewhere(failedReason) : undefined;
}

/** `model` in JSON, which is always a string: '' where the job's model is not known. */
export function modelJson({ model }: Pick<JobRecord, 'model'>): string {
  return model ?? '';
}

/** FAILED: another program, such as a stock BullMQ worker, ended it and left no record of ours. */
export function endedElsewhere(reason: string): OwnFailure {
  return { code: 'FAILED', message: reason };
}

/** A job whose record cannot be read: only the damage is known. */
export function damagedRecord(id: string, queue: string, what: string, at?: number): JobRecord {
  const submittedAt = idTime(id) ?? at ?? 0;
  return {
    id,
    queue,
    state: 'failed',
    model: undefined,
    rows: 0,
    priority: 0,
    submittedAt,
    attempts: 0,
    ...(at === undefined ? {} : { finishedAt: at }),
    failure: damageFailure(what),
  };
}
