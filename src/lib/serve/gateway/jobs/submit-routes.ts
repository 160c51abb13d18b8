import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { InferError } from '../../../core/errors.js';
import { checkJobId } from '../../../core/job.js';
import { parseDocument } from '../../../input/json-document.js';
import { IMAGE_FORMATS } from '../../../task/image-formats.js';
import { requireHeld } from '../../auth/ask-token.js';
import type { App } from '../../http/app.js';
import { JSON_LIMITS, mediaType, readBody, readJson } from '../../http/body.js';
import { refuseDraining } from '../admit.js';
import type { Gateway } from '../gateway.js';
import { ENVELOPE, ID_PARAMS, PREDICT_QUERY, PUT_QUERY, SUBMIT_QUERY, type SubmitFields } from './fields.js';
import { idempotencyKey, idOfKey, isKeyId } from './idempotency.js';
import { PREDICT_DOC, PUT_DOC, SUBMIT_DOC } from './job-docs.js';
import { JOB, urlsOf } from './job-json.js';
import { bodyOf } from './large-result.js';
import { applyPreference } from './prefer.js';
import { type Outcome, type Submitting, submitStream, submitValue } from './submit.js';

/** Media types of bodies that are streamed. */
const STREAMED: Readonly<Record<string, 'ndjson' | 'npy' | 'image'>> = {
  ...Object.fromEntries(IMAGE_FORMATS.map(({ type }) => [type, 'image'])),
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'application/x-jsonlines': 'ndjson',
  'application/x-npy': 'npy',
  'application/npy': 'npy',
  'application/octet-stream': 'npy',
};

/** Default media types of curl and other clients. */
const AS_JSON: ReadonlySet<string> = new Set([
  '',
  'application/json',
  'text/json',
  'text/plain',
  'application/x-www-form-urlencoded',
]);

/** Seconds after which to poll a job that was just queued. */
const ASK_AGAIN_S = '1';

/** Routes that submit work: `POST /v1/jobs`, `PUT /v1/jobs/:id`, `POST /predict`. */
export function addSubmitRoutes(app: App, gateway: Gateway): void {
  app.post(
    '/v1/jobs',
    {
      config: { access: 'submit', doc: SUBMIT_DOC, endless: true },
      schema: { querystring: SUBMIT_QUERY, response: { 200: JOB, 202: JOB } },
    },
    async (request, reply) => {
      const outcome = await submit(gateway, request, reply, request.query);
      return answer(gateway, reply, outcome, outcome.ended ? 200 : 202);
    },
  );
  app.put(
    '/v1/jobs/:id',
    {
      config: { access: 'submit', doc: PUT_DOC, endless: true },
      schema: { params: ID_PARAMS, querystring: PUT_QUERY, response: { 200: JOB, 201: JOB } },
    },
    async (request, reply) => {
      const { id } = request.params;
      const outcome = await submit(gateway, request, reply, { ...request.query, id });
      return answer(gateway, reply, outcome, outcome.created ? 201 : 200);
    },
  );
  app.post(
    '/predict',
    {
      config: { access: 'submit', doc: PREDICT_DOC },
      schema: { querystring: PREDICT_QUERY, response: { 200: z.object({ task_id: z.string() }) } },
    },
    async (request, reply) => {
      refuseDraining(gateway);
      requireJson(request);
      const bytes = await readBody(request, { maxBytes: gateway.limits.maxBody });
      const input = parseDocument(bytes, JSON_LIMITS);
      const fields = request.query;
      const submitting = { gateway, request, reply, fields, id: undefined, waitMs: undefined };
      const { job } = await submitValue(submitting, input);
      return { task_id: job.id };
    },
  );
}

/** Reads and submits the work of a request, in any supported format. */
async function submit(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  query: SubmitFields,
): Promise<Outcome> {
  // Before the body is read, which may be large.
  refuseDraining(gateway);
  const { waitMs } = applyPreference(request, reply, gateway.limits.maxWaitMs);
  checkOwnId(query.id);
  const key = idempotencyKey(request.headers['idempotency-key']);
  const byKey = key === undefined ? undefined : idOfKey(request.caller.name, key);
  const begun = { gateway, request, reply, waitMs };
  const streamed = STREAMED[mediaType(request)];
  const submitted = async (): Promise<Outcome> => {
    if (streamed !== undefined) {
      const submitting = withId({ ...begun, fields: query }, byKey);
      return submitStream(submitting, streamed);
    }
    requireJson(request);
    const maxBytes = gateway.limits.maxBody;
    const { input, ...fields } = await readJson(request, ENVELOPE, { maxBytes });
    const submitting = withId({ ...begun, fields: joined(query, fields) }, byKey);
    return submitValue(submitting, input);
  };
  const { waits } = gateway;
  // Rows may arrive for any length of time, so their upload counts as a wait.
  const isLong = waitMs !== undefined || streamed !== undefined;
  const waited = async (): Promise<Outcome> => {
    const outcome = await waits.during(request.caller, submitted);
    if (waitMs !== undefined) requireHeld(request);
    return outcome;
  };
  const outcome = isLong ? waited() : submitted();
  return outcome.catch((error: unknown) => {
    if (byKey === undefined || !(error instanceof InferError) || error.code !== 'ID_TAKEN') throw error;
    throw new InferError('IDEMPOTENCY_KEY', 'this Idempotency-Key was used for another request', {
      hint: 'send another key with another request',
    });
  });
}

/**
 * Before it is looked up, in every queue.
 * @throws InferError JOB_ID (400).
 */
function checkOwnId(id: string | undefined): void {
  if (id === undefined) return;
  checkJobId(id);
  // Otherwise a caller that knows or guesses a key could take its id and keep its owner from using it.
  if (!isKeyId(id)) return;
  const text = `ids such as ${id} are those of Idempotency-Key`;
  throw new InferError('JOB_ID', text, { hint: 'take another id' });
}

function withId(begun: Omit<Submitting, 'id'>, byKey: string | undefined): Submitting {
  const { id } = begun.fields;
  checkOwnId(id);
  if (id !== undefined && byKey !== undefined) {
    throw new InferError('PARAMETER', 'the request has both an id and an Idempotency-Key', {
      hint: 'send only one of them; each makes the request safe to repeat',
    });
  }
  return { ...begun, id: id ?? byKey };
}

/**
 * Options of the query and of the document together.
 * @throws InferError PARAMETER (400) if both contain the same option.
 */
function joined(query: SubmitFields, fields: SubmitFields): SubmitFields {
  const said = Object.entries(query).filter(([, value]) => value !== undefined);
  const twice = said.find(([name, value]) => {
    const other = fields[name as keyof SubmitFields];
    return other !== undefined && other !== value;
  });
  if (twice !== undefined) {
    throw new InferError('PARAMETER', `${twice[0]} is in the query and in the body`, {
      hint: 'send it only once',
    });
  }
  return { ...fields, ...Object.fromEntries(said) };
}

/** @throws InferError INPUT_FORMAT (415) for a body of another type. */
function requireJson(request: FastifyRequest): void {
  const type = mediaType(request);
  if (AS_JSON.has(type) || type.endsWith('+json')) return;
  throw new InferError('INPUT_FORMAT', 'this Content-Type is not supported', {
    hint: 'send application/json, or rows as application/x-ndjson or application/x-npy, or an image as image/jpeg',
  });
}

function answer(
  gateway: Gateway,
  reply: FastifyReply,
  { job, ended }: Outcome,
  status: number,
): FastifyReply {
  reply.code(status).header('location', urlsOf(gateway, job.id).self);
  if (!ended) reply.header('retry-after', ASK_AGAIN_S);
  return reply.type('application/json').send(bodyOf(job));
}
