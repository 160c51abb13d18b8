import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { InferError } from '../../../core/errors.js';
import { checkQueueName, printable } from '../../../core/job.js';
import { parseModel } from '../../../core/names.js';
import type { Operation } from '../../../operations/operation.js';
import { orderWorkers } from '../../../operations/order-workers.js';
import type { OrderedWorkers } from '../../../operations/outcomes.js';
import { pauseQueue } from '../../../operations/pause-queue.js';
import { PURGE_STATES, purgeQueue } from '../../../operations/purge-queue.js';
import { settableOrder } from '../../../operations/settable-order.js';
import type { Order } from '../../../queue/broker/control.js';
import type { App } from '../../http/app.js';
import { readJson } from '../../http/body.js';
import type { Gateway } from '../gateway.js';
import { mayUse, noModel } from '../own-models.js';
import { performFor } from './actor.js';
import { LOAD_BODY, ORDER_DOCS, PAUSE_DOCS, PURGE_DOC, SET_BODY, UNLOAD_BODY } from './control-docs.js';

/** A worker that is silent for this many milliseconds does not answer. */
const ANSWER_MS = 5000;
const MOST_BODY = 4096;

const QUEUE_PARAMS = z.strictObject({ queue: z.string().describe('name of the queue') });
const WORKER_PARAMS = z.strictObject({
  worker: z
    .string()
    .min(1)
    .describe('name, id or host of a worker, or a pattern of names; several with commas'),
});
const PURGE_QUERY = z.strictObject({
  confirm: z.string().optional().describe('the name of the queue again, as confirmation'),
  state: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('which jobs [waiting, delayed]'),
});
const OUTCOME = z.record(z.string(), z.unknown());
const ORDERED = z.object({ workers: z.array(OUTCOME) });

/** Routes that control queues and workers; they exist only with `--allow-control`. */
export function addControlRoutes(app: App, gateway: Gateway): void {
  if (!gateway.control) return;
  for (const [verb, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    app.post(
      `/v1/queues/:queue/${verb}`,
      {
        config: { access: 'control', doc: PAUSE_DOCS[verb] },
        schema: { params: QUEUE_PARAMS, response: { 200: OUTCOME } },
      },
      async (request) => {
        const queue = checkQueueName(request.params.queue);
        return { ...(await performFor(gateway, request, pauseQueue(queue, paused))) };
      },
    );
  }
  app.post(
    '/v1/queues/:queue/purge',
    {
      config: { access: 'control', doc: PURGE_DOC },
      schema: { params: QUEUE_PARAMS, querystring: PURGE_QUERY, response: { 200: OUTCOME } },
    },
    async (request) => {
      const queue = checkQueueName(request.params.queue);
      requireConfirmed(queue, request.query.confirm);
      return { ...(await performFor(gateway, request, purgeQueue(queue, statesOf(request.query.state)))) };
    },
  );
  addOrders(app, gateway);
}

function addOrders(app: App, gateway: Gateway): void {
  const order = (request: FastifyRequest, workers: string, what: Order, detail?: string) =>
    give(gateway, request, orderWorkers(what, workers, { timeoutMs: ANSWER_MS, detail }));
  for (const verb of ['drain', 'stop'] as const) {
    app.post(
      `/v1/workers/:worker/${verb}`,
      {
        config: { access: 'control', doc: ORDER_DOCS[verb] },
        schema: { params: WORKER_PARAMS, response: { 200: ORDERED } },
      },
      async (request) => order(request, request.params.worker, { verb }),
    );
  }
  app.post(
    '/v1/workers/:worker/set',
    {
      config: { access: 'control', doc: ORDER_DOCS.set },
      schema: { params: WORKER_PARAMS, response: { 200: ORDERED } },
    },
    async (request) => {
      const { what, value } = await readJson(request, SET_BODY, { maxBytes: MOST_BODY });
      const text = String(value);
      return order(request, request.params.worker, settableOrder(what, text), `${what} ${text}`);
    },
  );
  app.post(
    '/v1/workers/:worker/load',
    {
      config: { access: 'control', doc: ORDER_DOCS.load },
      schema: { params: WORKER_PARAMS, response: { 200: ORDERED } },
    },
    async (request) => {
      const { model } = await readJson(request, LOAD_BODY, { maxBytes: MOST_BODY });
      const parsed = parseModel(model);
      if (!mayUse(request.caller, parsed.model)) throw noModel(model);
      return order(request, request.params.worker, { verb: 'load', ...parsed }, model);
    },
  );
  app.post(
    '/v1/workers/:worker/unload',
    {
      config: { access: 'control', doc: ORDER_DOCS.unload },
      schema: { params: WORKER_PARAMS, response: { 200: ORDERED } },
    },
    async (request) => {
      const { model, force } = await readJson(request, UNLOAD_BODY, { maxBytes: MOST_BODY });
      if (!mayUse(request.caller, model)) throw noModel(model);
      return order(request, request.params.worker, { verb: 'unload', model, force }, model);
    },
  );
}

/** Sends an order, and returns the answer of each worker. */
async function give<Plan>(
  gateway: Gateway,
  request: FastifyRequest,
  operation: Operation<Plan, OrderedWorkers, OrderedWorkers>,
) {
  const { workers } = await performFor(gateway, request, operation);
  return { workers: workers.map((one) => ({ ...one })) };
}

/** @throws InferError CONFIRM, CONFIRM_NAME (400) unless the query names the queue. */
function requireConfirmed(queue: string, confirm: string | undefined): void {
  if (confirm === queue) return;
  const hint = `add ?confirm=${queue}`;
  if (confirm === undefined) {
    throw new InferError('CONFIRM', 'this cancels or deletes jobs and was not confirmed: nothing was done', {
      hint,
    });
  }
  throw new InferError(
    'CONFIRM_NAME',
    `confirm is ${printable(confirm)}, but the queue is ${queue}: nothing was done`,
    { hint },
  );
}

/** @throws InferError PARAMETER (400) for a state that cannot be purged. */
function statesOf(given: string | readonly string[] | undefined): string[] | undefined {
  if (given === undefined) return undefined;
  const words = [given].flat().flatMap((text) => text.split(','));
  const wrong = words.find((word) => !(PURGE_STATES as readonly string[]).includes(word));
  if (wrong === undefined) return words;
  throw new InferError('PARAMETER', `state: ${printable(wrong)} cannot be purged`, {
    hint: `one of ${PURGE_STATES.join(', ')}`,
  });
}
