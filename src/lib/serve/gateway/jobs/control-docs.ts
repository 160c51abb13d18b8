import { z } from 'zod';
import { PURGE_STATES } from '../../../operations/purge-queue.js';
import type { AnswerDoc, RouteDoc } from '../../http/route-doc.js';
import { ORDERS, REDIS_AWAY } from '../../openapi/error-groups.js';

/* Bodies of the control routes, and their entries in the OpenAPI document. */

export const SET_BODY = z.strictObject({
  what: z.enum(['concurrency', 'autoscale', 'max-batch', 'log-level']).describe('what to set'),
  value: z.union([z.string(), z.number()]).describe('its new value, as infer control set takes it'),
});
export const LOAD_BODY = z.strictObject({ model: z.string().min(1).describe('model, or model@version') });
export const UNLOAD_BODY = z.strictObject({
  model: z.string().min(1).describe('name of the model'),
  force: z.boolean().default(false).describe('also unloads the last model of a worker'),
});

const PAUSED = z.looseObject({
  queue: z.string(),
  paused: z.boolean(),
  changed: z.boolean().describe('false if it already was'),
  waiting: z.number(),
  active: z.number(),
  served: z.boolean().describe('a worker serves it'),
});
const PURGED = z.looseObject({
  queue: z.string(),
  jobs: z.partialRecord(z.enum(PURGE_STATES), z.number()).describe('jobs that were purged, by state'),
  newer: z.number().describe('waiting jobs that a newer infer submitted; they are left alone'),
});
const SAID = z.looseObject({
  id: z.string(),
  name: z.string(),
  host: z.string(),
  state: z.enum(['ok', 'refused', 'silent', 'busy']),
  said: z.string().describe('the answer of the worker'),
});

const json = (description: string, schema: z.ZodType, value: unknown): AnswerDoc => ({
  description,
  content: { 'application/json': { schema, examples: { one: { summary: 'a response', value } } } },
});

const OF_QUEUES = [...REDIS_AWAY, 'QUEUE_NAME', 'QUEUE_UNKNOWN', 'REDIS_FULL', 'REDIS_NOREPLICAS'] as const;

const pausing = (id: string, summary: string, paused: boolean): RouteDoc => ({
  id,
  topic: 'Control',
  summary,
  answers: {
    200: json('the queue', PAUSED, {
      queue: 'batch',
      paused,
      changed: true,
      waiting: 120,
      active: 2,
      served: true,
    }),
  },
  errors: OF_QUEUES,
});

/** Documentation of pause and resume. */
export const PAUSE_DOCS = {
  pause: pausing('pauseQueue', 'pause a queue: no job of it starts', true),
  resume: pausing('resumeQueue', 'let the jobs of a queue start again', false),
} as const;

export const PURGE_DOC: RouteDoc = {
  id: 'purgeQueue',
  topic: 'Control',
  summary: 'delete jobs of a queue',
  description: 'Needs `confirm` with the name of the queue.',
  answers: {
    200: json('the purged jobs', PURGED, {
      queue: 'batch',
      jobs: { waiting: 120, delayed: 3 },
      newer: 0,
    }),
  },
  errors: [...OF_QUEUES, 'CONFIRM', 'CONFIRM_NAME'],
};

const ORDERED = json('the answer of each worker', z.object({ workers: z.array(SAID) }), {
  workers: [{ id: 'w1m9abc', name: 'gpu-1', host: 'node-1', state: 'ok', said: 'draining' }],
});
const ORDER_ERRORS = [
  ...REDIS_AWAY,
  ...ORDERS,
  'MODEL_UNKNOWN',
  'RANGE',
  'USAGE',
  'REDIS_FULL',
  'REDIS_NOREPLICAS',
] as const;

const order = (id: string, summary: string): RouteDoc => ({
  id,
  topic: 'Control',
  summary,
  answers: { 200: ORDERED },
  errors: ORDER_ERRORS,
});

const withBody = (doc: RouteDoc, schema: z.ZodType, summary: string, value: unknown): RouteDoc => ({
  ...doc,
  headers: ['content-encoding'],
  body: {
    required: true,
    content: { 'application/json': { schema, examples: { one: { summary, value } } } },
  },
});

/** Documentation of orders to workers, by verb. */
export const ORDER_DOCS = {
  drain: order('drainWorkers', 'let workers finish their jobs and take no more'),
  stop: order('stopWorkers', 'let workers finish their jobs and exit'),
  set: withBody(order('setWorkers', 'change a setting of workers'), SET_BODY, 'a fixed batch size', {
    what: 'max-batch',
    value: 8,
  }),
  load: withBody(order('loadModel', 'load a model in workers'), LOAD_BODY, 'one version', {
    model: 'digits@2',
  }),
  unload: withBody(order('unloadModel', 'unload a model from workers'), UNLOAD_BODY, 'one model', {
    model: 'digits',
    force: false,
  }),
} as const;
