import { z } from 'zod';
import { isEnded } from '../../../client/ended.js';
import type { Found, SubmittedGroup, SubmittedJob } from '../../../client/types.js';
import type { JobPlace } from '../../../deployment/place/job-place.js';
import type { GroupRecord, JobRecord } from '../../../queue/types.js';
import type { Gateway } from '../gateway.js';
import { type ShownResult, shownResult } from './large-result.js';
import { patienceMs } from './visible.js';

const FAILURE = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });
const SPREAD = z.object({ p50: z.number(), p90: z.number() });
const REASON = z.object({ code: z.string(), text: z.string(), fix: z.string().nullable() });
const URLS = z
  .object({ self: z.string(), result: z.string(), events: z.string(), cancel: z.string() })
  .describe('links of this job; do not build these addresses yourself');

/**
 * A job in the form of all routes of `/v1`. Unknown fields are left out; times are milliseconds since the
 * epoch.
 */
export const JOB = z
  .object({
    id: z.string(),
    kind: z.enum(['job', 'group']),
    queue: z.string(),
    model: z.string(),
    version: z
      .number()
      .optional()
      .describe('of the model: the one that ran the job, before that the requested one; unknown for a group'),
    state: z.enum(['waiting', 'delayed', 'active', 'completed', 'failed', 'expired', 'cancelled']),
    rows: z.number(),
    priority: z.number().optional(),
    result: z.unknown().optional().describe('the value of one row, or a list in input order'),
    failedRows: z.array(z.number()).optional().describe('indexes in result of the rows without one'),
    rowsDone: z.number().optional(),
    error: FAILURE.optional(),
    attempts: z.number().optional(),
    worker: z.string().nullable().optional(),
    device: z.string().nullable().optional(),
    timing: z
      .object({ queueMs: z.number(), runMs: z.number().nullable(), totalMs: z.number() })
      .nullable()
      .optional(),
    submittedAt: z.number().optional(),
    startedAt: z.number().optional(),
    finishedAt: z.number().optional(),
    expiresAt: z.number().optional().describe('when its result expires'),
    nextRunAt: z.number().optional().describe('when a delayed job may start, or is tried again'),
    jobs: z.number().optional().describe('of a group: the number of its chunk jobs'),
    jobsCompleted: z.number().optional(),
    jobsFailed: z.number().optional(),
    closed: z.boolean().optional().describe('of a group: all its rows have been sent'),
    owner: z.string().optional().describe('name of the token that submitted it'),
    position: z
      .object({ jobsAhead: z.number(), rowsAheadEstimate: z.number() })
      .nullable()
      .optional()
      .describe('of a job that has not started: what goes before it in its queue; null while it is delayed'),
    eta: z
      .object({ startMs: SPREAD, endMs: SPREAD, basis: z.string() })
      .nullable()
      .optional()
      .describe(
        'when it should start and end, in milliseconds from now; null if unknown, for the reason in noEta',
      ),
    noEta: REASON.nullable().optional(),
    why: REASON.optional().describe('why it has not started, and the command that helps'),
    urls: URLS,
  })
  .loose()
  .meta({ id: 'Job' });

/** Addresses of a job, with the base path. */
export function urlsOf({ basePath }: Pick<Gateway, 'basePath'>, id: string) {
  const self = `${basePath}/v1/jobs/${encodeURIComponent(id)}`;
  return { self, result: `${self}/result`, events: `${self}/events`, cancel: `${self}/cancel` };
}

/**
 * What an id names, as `JOB`. A large result is a `LargeResult`: send what `bodyOf` makes of it.
 * @param options.result leaves out the result of an ended job unless it is true
 */
export function foundJson(gateway: Gateway, found: Found, { result }: { result: boolean }) {
  if (found.kind === 'group') return groupJson(gateway, found.group);
  const { record, stored } = found;
  const shown = shownResult(record, result ? stored : undefined);
  return { ...resultJson(shown), ...recordJson(record), urls: urlsOf(gateway, record.id) };
}

/** Position, ETA and reason of a job; undefined if it has started or they are not known now. */
export async function placeOf(gateway: Gateway, id: string): Promise<JobPlace | undefined> {
  return gateway.client.place(id, { timeoutMs: patienceMs(gateway) }).catch(() => undefined);
}

/** The same, with position, ETA and reason if the job has not started: one more round trip. */
export async function placedJson(gateway: Gateway, found: Found, options: { result: boolean }) {
  const json = foundJson(gateway, found, options);
  if (found.kind !== 'job' || (json.state !== 'waiting' && json.state !== 'delayed')) return json;
  // The job may have disappeared meanwhile; the record is still a valid response.
  const place = await placeOf(gateway, found.record.id);
  return { ...json, ...place };
}

/** A job that has just ended, from the notice of its worker. */
export function endedJson(gateway: Gateway, result: ShownResult, submitted: Partial<SubmittedJob> = {}) {
  const { priority } = submitted;
  const urls = urlsOf(gateway, result.id);
  return { ...resultJson(result), ...(priority === undefined ? {} : { priority }), urls };
}

/** A job that was just queued. */
export function submittedJson(
  gateway: Gateway,
  { id, queue, model, version, rows, priority }: SubmittedJob,
  delayed: boolean,
) {
  const state = delayed ? ('delayed' as const) : ('waiting' as const);
  const whole = { id, kind: 'job' as const, queue, model, ...(version === undefined ? {} : { version }) };
  return { ...whole, state, rows, priority, urls: urlsOf(gateway, id) };
}

/** A group that was just queued. */
export function submittedGroupJson(gateway: Gateway, sent: SubmittedGroup, delayed: boolean) {
  const { group: id, queue, model, rows, priority, jobs } = sent;
  const state = delayed ? ('delayed' as const) : ('waiting' as const);
  return { id, kind: 'group' as const, queue, model, state, rows, priority, jobs, urls: urlsOf(gateway, id) };
}

function resultJson(job: ShownResult) {
  const { id, queue, model, version, state, rows, attempts, worker, device, timing } = job;
  return {
    id,
    kind: 'job' as const,
    queue,
    model,
    ...(version === undefined ? {} : { version }),
    state,
    rows,
    ...(job.result === undefined ? {} : { result: job.result }),
    ...(job.failedRows === undefined ? {} : { failedRows: job.failedRows }),
    ...(job.rowsDone === undefined ? {} : { rowsDone: job.rowsDone }),
    ...(job.error === undefined ? {} : { error: job.error }),
    ...(job.nextRunAt === undefined ? {} : { nextRunAt: job.nextRunAt }),
    attempts,
    worker,
    device,
    timing,
    ...(job.owner === undefined ? {} : { owner: job.owner }),
  };
}

function recordJson(record: JobRecord) {
  const { priority, submittedAt, startedAt, finishedAt, state, resultTtl } = record;
  const expiresAt =
    state === 'completed' && finishedAt !== undefined && resultTtl !== undefined
      ? finishedAt + resultTtl * 1000
      : undefined;
  return {
    priority,
    submittedAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined || !isEnded(state) ? {} : { finishedAt }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

function groupJson(gateway: Gateway, group: GroupRecord) {
  const { moved: _moved, startAt, submitterGoneMs: _gone, cancelled: _cancelled, ...others } = group;
  // What tells a request from others is no one else's to see.
  const { digest: _digest, content: _content, ...shown } = others;
  return {
    ...shown,
    kind: 'group' as const,
    ...(startAt === undefined ? {} : { nextRunAt: startAt }),
    urls: urlsOf(gateway, group.id),
  };
}
