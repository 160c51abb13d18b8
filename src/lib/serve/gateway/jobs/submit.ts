import type { FastifyReply, FastifyRequest } from 'fastify';
import { isEnded } from '../../../client/ended.js';
import { takenByAnother, takenByOther } from '../../../client/id-taken.js';
import { sendInput } from '../../../client/send-input.js';
import { queueFor } from '../../../client/spec.js';
import type { Found, SubmitOptions, SubmittedGroup, SubmittedJob } from '../../../client/types.js';
import type { ErrorCode } from '../../../core/error-table.js';
import { InferError } from '../../../core/errors.js';
import { linkedAbort } from '../../../core/linked-abort.js';
import { type Input, readInput } from '../../../input/read.js';
import type { ModelSignature } from '../../../model/signature.js';
import type { Payload } from '../../../model/tensor.js';
import { serverTime } from '../../../redis/server-clock.js';
import { JSON_LIMITS, streamBody } from '../../http/body.js';
import { tellTiming } from '../../http/server-timing.js';
import { type Admission, draining, letIn } from '../admit.js';
import { cancelLeft } from '../cancel-left.js';
import type { Gateway } from '../gateway.js';
import { ofOwn, ownModel } from '../own-models.js';
import { untilLeaving } from '../until-leaving.js';
import { type SubmitFields, submitOptions } from './fields.js';
import { HashedBody } from './hashed-body.js';
import { digestOf } from './idempotency.js';
import { endedJson, placedJson, submittedGroupJson, submittedJson } from './job-json.js';
import { shownResult } from './large-result.js';
import { patiently } from './patience.js';
import { requireWorker } from './served.js';
import { lookAt, NO_RESULT, patienceMs, timingOf } from './visible.js';

/** Milliseconds for writing a job to Redis; inputs may be large. */
const SUBMIT_MS = 15_000;

/** Common parts of all submit requests. */
export interface Submitting {
  gateway: Gateway;
  request: FastifyRequest;
  reply: FastifyReply;
  fields: SubmitFields;
  /** The caller's own id, or that of its `Idempotency-Key`, under which the caller can find the job again. */
  id: string | undefined;
  /** Milliseconds to wait for the end; undefined: do not wait. */
  waitMs: number | undefined;
}

/** Outcome of a submit: a job or group as `JOB`, whether it is new, and whether it has ended. */
export interface Outcome {
  job: { id: string; state: string };
  created: boolean;
  ended: boolean;
}

/**
 * Submits one parsed input as one job, and waits for it if requested.
 * @throws InferError of an invalid input (422), MODEL_… (404, 400), ID_TAKEN (409), NO_WORKERS (503), and as
 *   `admit`.
 */
export async function submitValue(begun: Submitting, input: unknown): Promise<Outcome> {
  const submitting = forOwnModel(begun);
  const { gateway, request, fields } = submitting;
  const { id: _id, ...asked } = fields;
  const digest = submitting.id === undefined ? undefined : digestOf({ ...asked, input });
  const there = await alreadyThere(submitting, digest);
  if (there !== undefined) return there;
  const { signatures } = gateway.client;
  const fit = ofOwn(request.caller, signatures.fit(input, fields.model));
  const [payload, signature] = await patiently(gateway, request.signal, fit);
  return submitOne(submitting, payload, signature, digest);
}

/**
 * Submits streamed rows in constant memory: one row as a job, more as a group. If a row is invalid, those
 * sent before are cancelled.
 * @throws as `submitValue`, for the first invalid row.
 */
export async function submitStream(begun: Submitting, format: 'ndjson' | 'npy' | 'image'): Promise<Outcome> {
  const submitting = forOwnModel(begun);
  const { gateway, request, fields } = submitting;
  const { id: _id, ...asked } = fields;
  const { id } = submitting;
  const digest = id === undefined ? undefined : digestOf({ ...asked, format });
  const body = streamBody(request, { maxBytes: Number.POSITIVE_INFINITY });
  // Only a request that can be repeated needs a digest.
  const rows = id === undefined ? undefined : new HashedBody(body);
  const there = await alreadyThere(submitting, digest, rows);
  if (there !== undefined) return there;
  const finding = ofOwn(request.caller, gateway.client.signatures.find(fields.model));
  const signature = await patiently(gateway, request.signal, finding);
  const limits = {
    format,
    maxBytes: gateway.limits.maxBody,
    ...JSON_LIMITS,
    unpack: false,
    signal: request.signal,
  };
  const input = await readInput({ stdin: rows?.stream ?? body, label: 'the body' }, signature, limits);
  if (input.kind === 'many') return submitMany(submitting, input, signature, { digest, rows });
  return submitOne(submitting, input.payload, signature, rows && digestOf({ digest, rows: rows.digest }));
}

/** Adds the token's only model if none is named. @throws InferError TOKEN_MODEL, MODEL_NEEDED. */
function forOwnModel(begun: Submitting): Submitting {
  const model = ownModel(begun.request.caller, begun.fields.model);
  return model === begun.fields.model ? begun : { ...begun, fields: { ...begun.fields, model } };
}

async function submitOne(
  submitting: Submitting,
  payload: Payload,
  signature: ModelSignature,
  digest: string | undefined,
): Promise<Outcome> {
  const { gateway, request, id, waitMs } = submitting;
  const { client } = gateway;
  const options = optionsOf(submitting, digest);
  if (waitMs !== undefined) await requireWorker(gateway, queueFor(payload.rows, options), signature);
  const admission = await admitFor(submitting, options, signature, payload.rows);
  try {
    if (waitMs === undefined) {
      const job = await client.submitPayload(payload, signature, {
        ...options,
        timeoutMs: patienceMs(gateway, SUBMIT_MS),
      });
      admission.submitted(job);
      if (job.duplicate) return found(submitting, await lookAt(gateway, request, job.id));
      return { job: submittedJson(gateway, job, isDelayed(options)), created: true, ended: false };
    }
  } catch (error) {
    admission.over();
    throw error;
  }
  let submitted: SubmittedJob | undefined;
  // Work that is being submitted when the server ends is cancelled, unless it can be sent again under its id.
  const { controller: end, unlink } = linkedAbort(request.signal);
  const submitMs = patienceMs(gateway, SUBMIT_MS);
  const limits = { timeoutMs: waitMs, submitMs, signal: end.signal, cancelOnAbort: id === undefined };
  try {
    const running = client.runJob({
      payload,
      signature,
      options: { ...options, ...limits },
      render: shownResult,
      hold: request.heldResult?.take,
      onSubmitted: (job) => {
        submitted = job;
        admission.submitted(job);
      },
    });
    const result = await untilLeaving(gateway, running);
    if (result === undefined) {
      if (submitted !== undefined) return await standing(submitting, submitted);
      end.abort(draining());
      throw draining();
    }
    admission.over();
    tellTiming(submitting.reply, result.timing);
    const job = endedJson(gateway, result, submitted);
    return { job, created: submitted?.duplicate !== true, ended: isEnded(job.state) };
  } catch (error) {
    const isFull = isOf('BODIES_FULL', error);
    if (submitted === undefined || isFull) admission.over();
    // Under an id of its own the request can be sent again; otherwise it would be another job.
    const stands = isLate(error) || (isFull && id === undefined);
    if (submitted === undefined || !stands) throw error;
    return standing(submitting, submitted);
  } finally {
    unlink();
  }
}

/**
 * A job that continues without its caller, or whose result has no room now: the caller gets its address, or
 * the error of an unreachable Redis.
 */
async function standing(submitting: Submitting, { id, duplicate }: SubmittedJob): Promise<Outcome> {
  const { gateway, request } = submitting;
  const stands = await lookAt(gateway, request, id, NO_RESULT);
  return { ...(await found(submitting, stands)), created: duplicate !== true, ended: false };
}

async function submitMany(
  submitting: Submitting,
  input: Input & { kind: 'many' },
  signature: ModelSignature,
  { digest, rows }: { digest: string | undefined; rows: HashedBody | undefined },
): Promise<Outcome> {
  const { gateway, request, waitMs } = submitting;
  const { client } = gateway;
  const asked = optionsOf(submitting, digest);
  const queue = asked.queue ?? 'batch';
  const options = { ...asked, queue };
  const { signal } = request;
  let group: SubmittedGroup;
  try {
    if (waitMs !== undefined) await requireWorker(gateway, queue, signature);
    const admission = await admitFor(submitting, options, signature, input.rows ?? 1);
    const content = rows && (() => rows.digest);
    const ignored = { onRows: () => undefined, onTakenBack: () => undefined };
    // It counts while its rows arrive, which may take any time.
    const onOpened = (opened: string) => admission.submitted({ id: opened, queue, kind: 'group' });
    const sending = { submit: options, signal, content, onOpened, ...ignored };
    try {
      group = await sendInput(client, signature, input, sending);
    } catch (error) {
      admission.over();
      throw error;
    }
    if (group.duplicate === true) admission.submitted({ id: group.group, queue, kind: 'group' });
  } catch (error) {
    await input.close();
    throw error;
  }
  const created = group.duplicate !== true;
  if (waitMs === undefined) {
    if (!created) return found(submitting, await lookAt(gateway, request, group.group));
    return { job: submittedGroupJson(gateway, group, isDelayed(options)), created, ended: false };
  }
  try {
    await untilLeaving(gateway, client.waitGroup(group.group, { timeoutMs: waitMs, signal }));
  } catch (error) {
    if (signal.aborted && submitting.id === undefined) cancelLeft(gateway, group.group);
    if (!isLate(error)) throw error;
  }
  return { ...(await found(submitting, await lookAt(gateway, request, group.group))), created };
}

/**
 * The same request was sent before, and its job is still known.
 * @throws InferError ID_TAKEN (409) for another request.
 */
async function alreadyThere(
  submitting: Submitting,
  digest: string | undefined,
  rows?: HashedBody,
): Promise<Outcome | undefined> {
  const { gateway, request, id, waitMs } = submitting;
  if (id === undefined) return undefined;
  const { client } = gateway;
  // Before its result is read, since it may belong to another caller.
  const see = (owner: string | undefined): void => {
    if (owner !== request.caller.name) throw takenByOther(id);
  };
  const limits = {
    timeoutMs: patienceMs(gateway),
    signal: request.signal,
    see,
    hold: request.heldResult?.take,
  };
  let there: Found | undefined = await client.look(id, limits).catch((error: unknown) => {
    if (error instanceof InferError && error.facts.httpStatus === 404) return undefined;
    throw error;
  });
  if (there === undefined) return undefined;
  if (there.kind === 'group' && rows !== undefined) {
    // Rows of an incomplete group are still sent; the group is compared when it is closed.
    if (!there.group.closed) return undefined;
    if (there.group.digest !== digest || there.group.content !== (await rows.rest()))
      throw takenByAnother(id);
  } else {
    const { digest: before } = there.kind === 'job' ? there.record : there.group;
    const now = rows === undefined ? digest : digestOf({ digest, rows: await rows.rest() });
    if (before !== now) throw takenByAnother(id);
  }
  const stands = there.kind === 'job' ? there.record.state : there.group.state;
  if (waitMs !== undefined && !isEnded(stands)) {
    const waiting = { timeoutMs: waitMs, signal: request.signal };
    const wait: Promise<unknown> =
      there.kind === 'job' ? client.waitEnd(id, waiting) : client.waitGroup(id, waiting);
    await untilLeaving(gateway, wait).catch((error: unknown) => {
      if (!isLate(error)) throw error;
    });
    there = await lookAt(gateway, request, id);
  }
  return found(submitting, there);
}

async function found({ gateway, reply }: Submitting, there: Found): Promise<Outcome> {
  tellTiming(reply, timingOf(there));
  const job = await placedJson(gateway, there, { result: true });
  return { job, created: false, ended: isEnded(job.state) };
}

/** The time to wait ended before the job. */
function isLate(error: unknown): boolean {
  return isOf('WAIT_TIMEOUT', error);
}

function isOf(code: ErrorCode, error: unknown): boolean {
  return error instanceof InferError && error.code === code;
}

function admitFor(
  { gateway, request, reply }: Submitting,
  options: SubmitOptions,
  signature: ModelSignature,
  rows: number,
): Promise<Admission> {
  const { priority } = options;
  const queue = queueFor(rows, options);
  // The deadline counts from when a job may start, and the number of jobs waiting then is unknown.
  const expiresMs = isDelayed(options) ? undefined : options.expiresMs;
  return letIn(gateway, request, reply, { queue, model: signature.name, rows, priority, expiresMs });
}

function optionsOf({ request, fields, id }: Submitting, digest: string | undefined): SubmitOptions {
  return { ...submitOptions({ ...fields, id }, request.caller.name), digest };
}

function isDelayed({ delayMs, startAt }: SubmitOptions): boolean {
  return (delayMs ?? (startAt ?? 0) - serverTime()) > 0;
}
