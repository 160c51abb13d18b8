import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isEnded } from '../../../client/ended.js';
import { openResult } from '../../../client/render.js';
import type { Found } from '../../../client/types.js';
import { answerWithin } from '../../../core/bounded.js';
import { InferError } from '../../../core/errors.js';
import { npyParts } from '../../../model/npy-form.js';
import type { Payload } from '../../../model/tensor.js';
import { modelJson } from '../../../queue/job-record.js';
import type { GroupRecord, JobRecord } from '../../../queue/types.js';
import { requireHeld } from '../../auth/ask-token.js';
import type { App } from '../../http/app.js';
import { sendParts } from '../../http/send-parts.js';
import { tellTiming } from '../../http/server-timing.js';
import { vary } from '../../http/vary.js';
import { encodeAnswer } from '../../oip/encode.js';
import { wireTensors } from '../../oip/output-tensors.js';
import type { Gateway } from '../gateway.js';
import { acceptedForm } from './accept.js';
import { ID_PARAMS, WAIT_QUERY } from './fields.js';
import { beginGroup, jsonListOf, ndjsonOf } from './group-form.js';
import { READ_DOC, RESULT_DOC } from './job-docs.js';
import { JOB, placedJson } from './job-json.js';
import { bodyOf, LargeResult, shownResult } from './large-result.js';
import { patiently } from './patience.js';
import { lookAt, stateOf, timingOf } from './visible.js';

const ASK_AGAIN_S = '1';
const PAUSE_MS = 200;
const JSON_FORM = 'application/json';
const NDJSON = 'application/x-ndjson';
const NPY = 'application/x-npy';
const TENSORS = 'application/octet-stream';
const JOB_FORMS = [JSON_FORM, NDJSON, NPY, TENSORS] as const;
const GROUP_FORMS = [JSON_FORM, NDJSON] as const;

const RESULT_QUERY = WAIT_QUERY.extend({
  partial: z
    .enum(['true', 'false', ''])
    .optional()
    .describe(
      'also return results of a group that has not ended, or of a job that failed; rows without one are {"error": …}',
    ),
});

/** Routes that read one job or group: `GET /v1/jobs/:id` and `…/result`. */
export function addReadRoutes(app: App, gateway: Gateway): void {
  app.get(
    '/v1/jobs/:id',
    {
      config: { access: 'read', doc: READ_DOC },
      schema: { params: ID_PARAMS, querystring: WAIT_QUERY, response: { 200: JOB } },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { wait = 0 } = request.query;
      let found = await lookAt(gateway, request, id);
      if (wait > 0 && !isEnded(stateOf(found))) {
        const before = found;
        await gateway.waits.during(request.caller, () => untilChanged(gateway, request, before, wait));
        requireHeld(request);
        found = await lookAt(gateway, request, id);
      }
      if (!isEnded(stateOf(found))) reply.header('retry-after', ASK_AGAIN_S);
      if (gateway.draining.aborted) reply.header('connection', 'close');
      tellTiming(reply, timingOf(found));
      const body = bodyOf(await placedJson(gateway, found, { result: true }));
      return reply.type('application/json').send(body as never);
    },
  );
  app.get(
    '/v1/jobs/:id/result',
    {
      config: { access: 'read', doc: RESULT_DOC, endless: true },
      exposeHeadRoute: false,
      schema: { params: ID_PARAMS, querystring: RESULT_QUERY, response: { 200: z.unknown(), 202: JOB } },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { wait = 0, partial = 'false' } = request.query;
      let found = await lookAt(gateway, request, id);
      const forms = found.kind === 'job' ? JOB_FORMS : GROUP_FORMS;
      // Before the wait, so that a caller that accepts no format does not wait for the error.
      acceptedForm(request.headers.accept, forms);
      if (wait > 0 && !isEnded(stateOf(found))) {
        const begun = found;
        found = await gateway.waits.during(request.caller, () => untilEnded(gateway, request, begun, wait));
        requireHeld(request);
      }
      const wantsPart = partial !== 'false';
      const hasPart = wantsPart && found.kind === 'group' && found.group.rowsDone > 0;
      if (!isEnded(stateOf(found)) && !hasPart) {
        reply.code(202).header('retry-after', ASK_AGAIN_S);
        return placedJson(gateway, found, { result: false });
      }
      tellTiming(reply, timingOf(found));
      if (found.kind === 'group') return sendGroup(gateway, request, reply, found.group);
      return sendJob(gateway, request, reply, found, wantsPart);
    },
  );
}

/** Waits until it has ended, the time is up or the server shuts down. @returns its state then */
async function untilEnded(
  gateway: Gateway,
  request: FastifyRequest,
  begun: Found,
  waitMs: number,
): Promise<Found> {
  const { id } = begun.kind === 'job' ? begun.record : begun.group;
  let found = begun;
  const longest = Math.min(waitMs, gateway.limits.maxWaitMs);
  for (const until = performance.now() + longest; !isEnded(stateOf(found)); ) {
    const left = until - performance.now();
    if (left <= 0 || gateway.draining.aborted) break;
    const before = stateOf(found);
    await untilChanged(gateway, request, found, left);
    found = await lookAt(gateway, request, id);
    // Both readings may differ if this user of Redis cannot see everything: never loop without a pause.
    if (stateOf(found) === before) await delay(Math.min(left, PAUSE_MS));
  }
  return found;
}

/** Waits until the state has changed, the time is up, the server shuts down or the caller disconnects. */
async function untilChanged(
  gateway: Gateway,
  { signal }: FastifyRequest,
  found: Found,
  waitMs: number,
): Promise<void> {
  const { id, queue } = found.kind === 'job' ? found.record : found.group;
  const before = stateOf(found);
  let [stop, wake] = [(): void => undefined, (): void => undefined];
  const changed = new Promise<void>((resolve) => {
    wake = resolve;
    stop = gateway.client.watcher.watch({ id, queue, kind: found.kind }, (sight) => {
      const state = sight.kind === 'job' ? sight.state : sight.kind === 'group' ? sight.group.state : '';
      if (state !== before) resolve();
    });
  });
  gateway.draining.addEventListener('abort', wake, { once: true });
  try {
    if (gateway.draining.aborted) return;
    await answerWithin(Math.min(waitMs, gateway.limits.maxWaitMs), changed, () => undefined, signal);
  } finally {
    stop();
    gateway.draining.removeEventListener('abort', wake);
  }
  signal.throwIfAborted();
}

/** The error of a job that ended without a result; its status depends on the cause. */
function causeOf({ state, failure }: JobRecord): InferError {
  if (failure !== undefined && state !== 'completed') return InferError.of(failure);
  if (state === 'cancelled') return new InferError('CANCELLED', 'it was cancelled');
  if (state === 'expired') return new InferError('EXPIRED', 'it expired before it could start');
  if (state === 'failed') return new InferError('FAILED', 'it failed');
  return new InferError('RESULT_EXPIRED', 'its result was not kept or has expired', {
    hint: 'submit it again; resultTtl sets how long its result is kept, an hour by default',
  });
}

async function sendJob(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  { record, stored }: Found & { kind: 'job' },
  wantsPart: boolean,
): Promise<FastifyReply> {
  const whole = record.state === 'completed';
  if (stored === undefined || (!whole && !(wantsPart && record.state === 'failed'))) {
    const cause = causeOf(record);
    if (stored === undefined || whole) throw cause;
    throw cause.reworded(cause.message, '?partial=true returns the rows that have a result');
  }
  const form = acceptedForm(request.headers.accept, JOB_FORMS);
  vary(reply, 'accept').type(form);
  if (form === NPY || form === TENSORS) {
    // Neither format can represent rows without an output.
    if (!whole) throw causeOf(record);
    const { payload } = openResult(stored);
    if (form === NPY) return sendParts(reply, npyParts(payload));
    return sendTensors(gateway, request, reply, record, payload);
  }
  const { result, rows, failedRows = [] } = shownResult(record, stored);
  if (failedRows.length > 0) reply.header('infer-failed-rows', String(failedRows.length));
  if (result instanceof LargeResult) return reply.send(form === JSON_FORM ? result.json() : result.ndjson());
  if (form === JSON_FORM) return reply.send(JSON.stringify(result));
  const values = rows === 1 ? [result] : (result as unknown[]);
  return reply.send(`${values.map((value) => JSON.stringify(value)).join('\n')}\n`);
}

/** As a response of the Open Inference Protocol with its binary tensors. */
async function sendTensors(
  gateway: Gateway,
  { signal }: FastifyRequest,
  reply: FastifyReply,
  job: JobRecord,
  payload: Payload,
): Promise<FastifyReply> {
  // Rows come first if the model is no longer known.
  const finding =
    job.model === undefined
      ? undefined
      : patiently(gateway, signal, gateway.client.signatures.find(job.model));
  const signature = await finding?.catch(() => undefined);
  const tensors = wireTensors(payload, signature).map((tensor) => ({ ...tensor, binary: true }));
  const { headerLength, parts, length } = await encodeAnswer(
    { model_name: modelJson(job), id: job.id },
    tensors,
  );
  if (headerLength !== undefined) reply.header('inference-header-content-length', headerLength);
  return sendParts(reply, parts, length);
}

async function sendGroup(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  group: GroupRecord,
): Promise<FastifyReply> {
  const form = acceptedForm(request.headers.accept, GROUP_FORMS);
  const rows = await beginGroup(gateway.client, group, request);
  const failed = group.rows - group.rowsDone;
  if (failed > 0 && isEnded(group.state)) reply.header('infer-failed-rows', String(failed));
  vary(reply, 'accept').type(form);
  const text = form === NDJSON ? ndjsonOf(rows) : jsonListOf(rows);
  return reply.send(Readable.from(text, { objectMode: false, encoding: 'utf8' }));
}
