import type { FastifyReply, FastifyRequest } from 'fastify';
import { queueFor } from '../../client/spec.js';
import type { JobTensors } from '../../client/types.js';
import { InferError } from '../../core/errors.js';
import type { ModelSignature } from '../../model/signature.js';
import { letIn, refuseAtOnce } from '../gateway/admit.js';
import type { Gateway } from '../gateway/gateway.js';
import { submittedJson } from '../gateway/jobs/job-json.js';
import { patiently } from '../gateway/jobs/patience.js';
import { prefersAsync } from '../gateway/jobs/prefer.js';
import { ofOwn } from '../gateway/own-models.js';
import { letWaiterIn, runForCaller } from '../gateway/run-for-caller.js';
import type { App } from '../http/app.js';
import { readBody } from '../http/body.js';
import { sendParts } from '../http/send-parts.js';
import { tellTiming } from '../http/server-timing.js';
import { vary } from '../http/vary.js';
import { acceptedEncoding, compress } from './compress.js';
import { encodeAnswer } from './encode.js';
import { oipErrorForm } from './error-form.js';
import { type ModelParams, modelName, ofModel } from './find-model.js';
import { MODEL_PATHS } from './model-routes.js';
import { inferDoc } from './oip-docs.js';
import { answerTensors } from './outputs.js';
import { type InferRequest, jsonLength, readInferRequest } from './request.js';

/** Header with the number of bytes of JSON before binary tensors. */
const HEADER = 'inference-header-content-length';
/** Milliseconds for writing a job to Redis; inputs may be large. */
const SUBMIT_MS = 15_000;

/** `POST …/infer`: waits for the result or, with `Prefer: respond-async`, returns the job. */
export function addInferRoutes(app: App, gateway: Gateway): void {
  for (const [path, params, address] of MODEL_PATHS) {
    app.post(
      `${path}/infer`,
      {
        config: { access: 'submit', errorForm: oipErrorForm, doc: inferDoc(address) },
        schema: { params },
      },
      async (request, reply) => {
        const { params, caller } = request;
        refuseAtOnce(gateway, caller, params.model);
        if (prefersAsync(request.headers.prefer)) {
          const [infer, signature] = await read(gateway, request, params, true);
          return submitAsync(gateway, request, reply, infer, signature);
        }
        return gateway.waits.during(caller, async () => {
          const [infer, signature] = await read(gateway, request, params, false);
          const job = await run(gateway, request, reply, infer, signature);
          return answer(request, reply, infer, signature, job);
        });
      },
    );
  }
}

/** The request in the body, and its model. */
async function read(
  gateway: Gateway,
  request: FastifyRequest,
  params: ModelParams,
  isAsync: boolean,
): Promise<[InferRequest, ModelSignature]> {
  const body = await readBody(request, { maxBytes: gateway.limits.maxBody });
  const length = jsonLength(request.headers[HEADER], body.length);
  const fit = (known: ModelSignature) => readInferRequest(body, length, known, isAsync);
  return ofModel(params, () =>
    patiently(
      gateway,
      request.signal,
      ofOwn(request.caller, gateway.client.signatures.fitBy(fit, modelName(params))),
    ),
  );
}

async function run(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  { payload, queue, priority, expiresMs }: InferRequest,
  signature: ModelSignature,
): Promise<JobTensors> {
  const options = { queue, priority, expiresMs };
  const admission = await letWaiterIn(gateway, request, reply, { payload, signature, options });
  try {
    return await runForCaller(gateway, request, { payload, signature, options }, (job) =>
      admission.submitted(job),
    );
  } catch (error) {
    if (!(error instanceof InferError) || error.code !== 'EXPIRED') throw error;
    throw error.reworded(`Request timeout expired: ${error.message}`);
  } finally {
    admission.over();
  }
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  { id, wishes }: InferRequest,
  signature: ModelSignature,
  job: JobTensors,
): Promise<FastifyReply> {
  const { outputs, timing } = job;
  if (outputs === undefined) throw new InferError('RESULT_EXPIRED', 'the result was not kept');
  const tensors = await answerTensors(outputs, wishes, signature);
  const head = { model_name: signature.name, model_version: versionOf(job, signature), id };
  const { contentType, headerLength, parts, length } = await encodeAnswer(head, tensors);
  reply.header('content-type', contentType);
  if (headerLength !== undefined) reply.header(HEADER, headerLength);
  tellTiming(reply, timing);
  vary(reply, 'accept-encoding');
  const encoding = acceptedEncoding(request.headers['accept-encoding']);
  const compressed = await compress(parts, length, encoding);
  if (compressed !== undefined) return reply.header('content-encoding', encoding).send(compressed);
  return sendParts(reply, parts, length);
}

/** The version that ran, as far as it is known: the one of the signature may have been replaced meanwhile. */
function versionOf({ version }: JobTensors, signature: ModelSignature): string | undefined {
  const known = version ?? (signature.pinned === true ? signature.version : undefined);
  return known === undefined ? undefined : String(known);
}

async function submitAsync(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  { payload, queue, priority, expiresMs }: InferRequest,
  signature: ModelSignature,
): Promise<FastifyReply> {
  const { caller, signal } = request;
  const { rows } = payload;
  const options = { queue: queueFor(rows, { queue }), priority, expiresMs };
  const admission = await letIn(gateway, request, reply, { ...options, model: signature.name, rows });
  try {
    const limits = { signal, timeoutMs: SUBMIT_MS };
    const sent = { ...options, owner: caller.name, ...limits };
    const job = await gateway.client.submitPayload(payload, signature, sent);
    admission.submitted(job);
    const body = submittedJson(gateway, job, false);
    reply.headers({ location: body.urls.self, 'preference-applied': 'respond-async', 'retry-after': 1 });
    return reply.code(202).send(body);
  } catch (error) {
    admission.over();
    throw error;
  }
}
