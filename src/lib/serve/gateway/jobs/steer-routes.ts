import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isEnded } from '../../../client/ended.js';
import type { Found } from '../../../client/types.js';
import { InferError } from '../../../core/errors.js';
import { cancelWork } from '../../../operations/cancel-work.js';
import { forgetWork } from '../../../operations/forget-work.js';
import { retryJobs } from '../../../operations/retry-jobs.js';
import { isCancelled } from '../../../queue/audit-summary.js';
import { isInputKept } from '../../../queue/read/job-detail.js';
import { type App, pathOf } from '../../http/app.js';
import { problemOf } from '../../http/problem.js';
import { type Admission, letIn } from '../admit.js';
import type { Gateway } from '../gateway.js';
import { performFor } from './actor.js';
import { ID_PARAMS } from './fields.js';
import { CANCEL_DOC, DELETE_DOC, RETRY_DOC } from './job-docs.js';
import { foundJson, JOB, urlsOf } from './job-json.js';
import { lookAt, lookToSteer, NO_RESULT, stateOf } from './visible.js';

const ASK_AGAIN_S = '1';
/** Milliseconds that a running job may take to stop before it is deleted. */
const STOP_MS = 10_000;

/** Routes that change one job or group: cancel, retry, delete. */
export function addSteerRoutes(app: App, gateway: Gateway): void {
  app.route({
    method: ['POST', 'PUT'],
    url: '/v1/jobs/:id/cancel',
    config: { access: 'submit', doc: CANCEL_DOC },
    schema: { params: ID_PARAMS, response: { 200: JOB, 202: JOB } },
    handler: async (request, reply) => {
      const { id } = request.params;
      const before = await lookToSteer(gateway, request, id);
      if (isEnded(stateOf(before))) return answerEnded(gateway, request, reply, before);
      await performFor(gateway, request, cancelWork(id, foundAt(before)));
      const after = await lookAt(gateway, request, id, NO_RESULT);
      if (isEnded(stateOf(after))) return answerEnded(gateway, request, reply, after);
      reply.code(202).header('retry-after', ASK_AGAIN_S);
      return reply.send(foundJson(gateway, after, { result: false }));
    },
  });
  app.post(
    '/v1/jobs/:id/retry',
    {
      config: { access: 'submit', doc: RETRY_DOC },
      schema: { params: ID_PARAMS, response: { 202: JOB } },
    },
    async (request, reply) => {
      const { id } = request.params;
      const found = await lookToSteer(gateway, request, id);
      await requireFailed(gateway, found);
      const place = foundAt(found);
      const admission = await letBack(gateway, request, reply, found);
      try {
        const { jobs } = await performFor(gateway, request, retryJobs({ id, place }, undefined));
        if (jobs === 0) throw notFailed(found);
        admission.submitted({ id, ...place });
      } catch (error) {
        admission.over();
        throw error;
      }
      const after = await lookAt(gateway, request, id, NO_RESULT);
      reply.code(202).header('location', urlsOf(gateway, id).self).header('retry-after', ASK_AGAIN_S);
      return reply.send(foundJson(gateway, after, { result: false }));
    },
  );
  app.delete(
    '/v1/jobs/:id',
    {
      config: { access: 'submit', doc: DELETE_DOC },
      schema: { params: ID_PARAMS, response: { 204: z.undefined(), 202: JOB } },
    },
    async (request, reply) => {
      const { id } = request.params;
      const found = await lookToSteer(gateway, request, id);
      if (!isEnded(stateOf(found)) && !(await isStopped(gateway, request, found))) {
        const after = await lookAt(gateway, request, id, NO_RESULT);
        reply.code(202).header('retry-after', ASK_AGAIN_S);
        return reply.send(foundJson(gateway, after, { result: false }));
      }
      await performFor(gateway, request, forgetWork(id, gateway.client.results, foundAt(found)));
      gateway.client.locations.forget(id);
      return reply.code(204).send();
    },
  );
}

/** Where it was found: an id may be in another queue, too, where it is someone else's. */
function foundAt(found: Found): { queue: string; kind: 'job' | 'group' } {
  return { queue: found.kind === 'job' ? found.record.queue : found.group.queue, kind: found.kind };
}

/** Work that runs again is let in like new work, for the token that asks. @throws what `admit` throws. */
function letBack(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  found: Found,
): Promise<Admission> {
  const { queue, model = '', rows, priority } = found.kind === 'job' ? found.record : found.group;
  return letIn(gateway, request, reply, { queue, model, rows, priority });
}

/** 200 for what ended as cancelled; 409 for what had ended otherwise, with the job all the same. */
function answerEnded(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  found: Found,
): FastifyReply {
  const job = foundJson(gateway, found, { result: false });
  const state = stateOf(found);
  const cancelled = found.kind === 'job' || found.group.cancelled === true;
  if (isCancelled({ kind: found.kind, state, cancelled })) return reply.send(job);
  const error = new InferError('JOB_ENDED', `it had ended before it could be cancelled: ${state}`);
  return reply
    .code(error.facts.httpStatus)
    .type('application/problem+json')
    .send({ ...problemOf(error, pathOf(request), gateway.basePath), job });
}

/** Cancels it and waits until it has stopped; false if it is still running. */
async function isStopped(gateway: Gateway, request: FastifyRequest, found: Found): Promise<boolean> {
  const { id } = found.kind === 'job' ? found.record : found.group;
  const { client } = gateway;
  await performFor(gateway, request, cancelWork(id, foundAt(found)));
  const limits = { timeoutMs: STOP_MS, signal: request.signal };
  try {
    await (found.kind === 'job' ? client.waitEnd(id, limits) : client.waitGroup(id, limits));
    return true;
  } catch (error) {
    if (error instanceof InferError && error.code === 'WAIT_TIMEOUT') return false;
    // It has ended, and its record was not kept.
    if (error instanceof InferError && error.facts.httpStatus === 404) return true;
    throw error;
  }
}

/** @throws InferError NOT_FAILED (409); INPUT_GONE (410) for a job whose input is no longer kept. */
async function requireFailed({ client, prefix }: Gateway, found: Found): Promise<void> {
  if (found.kind === 'group') {
    if (found.group.jobsFailed === 0) throw notFailed(found);
    return;
  }
  const { id, queue, state } = found.record;
  if (state !== 'failed') throw notFailed(found);
  if (await isInputKept(client.redis, prefix, queue, id)) return;
  throw new InferError('INPUT_GONE', 'its input is no longer kept, so it cannot run again', {
    hint: 'submit it again',
  });
}

function notFailed(found: Found): InferError {
  const what = found.kind === 'job' ? `it is ${stateOf(found)}` : 'none of its jobs has failed';
  return new InferError('NOT_FAILED', `there is nothing to retry: ${what}`);
}
