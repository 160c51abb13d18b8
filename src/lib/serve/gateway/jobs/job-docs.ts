import { z } from 'zod';
import type { AnswerDoc, ContentDoc, JsonSchema, RouteDoc } from '../../http/route-doc.js';
import {
  JOB_FAILURES,
  NO_JOB,
  NO_MODEL,
  NO_WAIT,
  NOT_LET_IN,
  REDIS_AWAY,
  WRONG_INPUT,
  WRONG_OPTIONS,
} from '../../openapi/error-groups.js';
import { ENVELOPE } from './fields.js';

/* OpenAPI documentation of the routes that submit, read and change one job or group. */

const urls = {
  self: '/v1/jobs/order-1234',
  result: '/v1/jobs/order-1234/result',
  events: '/v1/jobs/order-1234/events',
  cancel: '/v1/jobs/order-1234/cancel',
};
const QUEUED = {
  id: 'order-1234',
  kind: 'job',
  queue: 'realtime',
  model: 'digits',
  state: 'waiting',
  rows: 1,
  priority: 9,
  urls,
};
const COMPLETED = {
  ...QUEUED,
  version: 1,
  state: 'completed',
  result: { class: 7, confidence: 0.98 },
  attempts: 1,
  worker: 'gpu-1',
  device: 'cpu',
  timing: { queueMs: 3.1, runMs: 0.4, totalMs: 4.2 },
  submittedAt: 1795881600000,
  startedAt: 1795881600003,
  finishedAt: 1795881600004,
  expiresAt: 1795885200004,
};
const PLACED = {
  ...QUEUED,
  position: { jobsAhead: 12, rowsAheadEstimate: 3072 },
  eta: {
    startMs: { p50: 180, p90: 420 },
    endMs: { p50: 200, p90: 450 },
    basis: '120 jobs/s over 60 s, 2 workers',
  },
  noEta: null,
  why: { code: 'AHEAD_SAME', text: '12 jobs of its priority are first', fix: null },
};

/** Result values have the structure of the model's outputs. */
const VALUE: JsonSchema = {
  type: ['object', 'array', 'string', 'number', 'boolean', 'null'],
  description:
    'one row: its value; several rows: a list in input order, with {"error": …} for a row without a result',
};
const TEXT: JsonSchema = { type: 'string' };
const BYTES: JsonSchema = { type: 'string', format: 'binary' };

const JSON_JOB: ContentDoc = {
  'application/json': {
    schema: ENVELOPE,
    examples: {
      oneRow: { summary: 'one row', value: { model: 'digits', input: [0, 0, 5, 13], priority: 9 } },
      namedInputs: {
        summary: 'two rows of named inputs, with options',
        value: {
          model: 'scorer',
          input: [
            { age: 41, income: 5200 },
            { age: 29, income: 3100 },
          ],
          queue: 'batch',
          expires: '1h',
          retries: 2,
        },
      },
    },
  },
};
const ROWS: ContentDoc = {
  'application/x-ndjson': {
    schema: { ...TEXT, description: 'one row per line, any number of rows; options are in the query' },
    examples: { rows: { summary: 'two rows', value: '[0,0,5,13]\n[0,1,2,3]\n' } },
  },
  'application/x-npy': {
    schema: { ...BYTES, description: 'a NumPy array, rows first; options are in the query' },
  },
  'image/*': {
    schema: {
      ...BYTES,
      description:
        'one image (JPEG, PNG, WebP, GIF, TIFF, AVIF) for a model that takes images; options are in the query',
    },
  },
};

const SUBMITTED: AnswerDoc = {
  description: 'the job or group was queued',
  headers: ['location', 'retry-after', 'preference-applied', 'ratelimit', 'ratelimit-policy'],
  example: QUEUED,
};
const SUBMIT_ERRORS = [
  ...REDIS_AWAY,
  ...NO_MODEL,
  ...WRONG_INPUT,
  ...WRONG_OPTIONS,
  ...NOT_LET_IN,
  ...NO_WAIT,
  'INPUT_NPY',
  'ID_TAKEN',
  'GROUP_GONE',
  'IDEMPOTENCY_KEY',
  'ROWS_TIMEOUT',
  'NO_WORKERS',
  'CANCELLED',
  'LAYOUT_NEWER',
  'JOB_LOST',
  'JOB_DAMAGED',
  'RESULT_EXPIRED',
  'WAIT_TIMEOUT',
  'OUTPUT_MIXED',
] as const;

export const SUBMIT_DOC: RouteDoc = {
  id: 'submitJob',
  topic: 'Jobs',
  summary: 'submit a job, or rows as a group',
  description:
    'Returns the job at once, or with `Prefer: wait` when it has ended. A failed job is also returned: see `state` and `error`. Rows as NDJSON or `.npy` are streamed, whatever their size; several rows form a group.',
  headers: ['prefer', 'idempotency-key', 'content-encoding'],
  body: { required: true, content: { ...JSON_JOB, ...ROWS } },
  answers: {
    200: {
      description: 'the job has ended',
      headers: ['location', 'preference-applied', 'server-timing', 'ratelimit', 'ratelimit-policy'],
      example: COMPLETED,
    },
    202: SUBMITTED,
  },
  errors: SUBMIT_ERRORS,
};

export const PUT_DOC: RouteDoc = {
  ...SUBMIT_DOC,
  id: 'putJob',
  summary: 'submit a job under an id of your own',
  description:
    'Safe to repeat: at any gateway, the same id with the same input and options is the same job. With another input the response is 409.',
  answers: {
    200: { description: 'the same job as before', headers: ['location', 'retry-after'], example: COMPLETED },
    201: { ...SUBMITTED, description: 'the job is new' },
  },
};

export const PREDICT_DOC: RouteDoc = {
  id: 'predict',
  topic: 'Recipe',
  summary: 'submit rows, as in the recipe',
  headers: ['content-encoding'],
  body: {
    required: true,
    content: {
      'application/json': {
        schema: {
          type: ['array', 'object', 'number', 'string', 'boolean'],
          description: 'one row or a list of rows, as the model takes them',
        },
        examples: { numbers: { summary: 'one row of numbers', value: [0, 0, 5, 13] } },
      },
    },
  },
  answers: {
    200: {
      description: 'the id with which to request the result',
      headers: ['ratelimit', 'ratelimit-policy'],
      example: { task_id: 'j1m9abc' },
    },
  },
  errors: SUBMIT_ERRORS,
};

const READ_ERRORS = [...REDIS_AWAY, ...NO_JOB, 'CANCELLED'] as const;

export const READ_DOC: RouteDoc = {
  id: 'getJob',
  topic: 'Jobs',
  summary: 'the current state of a job or group',
  description: 'A job that has not started has `position`, `eta` and `why`.',
  answers: {
    200: { description: 'the job or group', headers: ['retry-after', 'server-timing'], example: PLACED },
  },
  errors: [...READ_ERRORS, ...NO_WAIT, 'BODIES_FULL'],
};

export const RESULT_DOC: RouteDoc = {
  id: 'getResult',
  topic: 'Jobs',
  summary: 'the result of a job or group alone',
  description:
    'In the format that `Accept` names. If the job failed, the response has the status of the cause. `.npy` and binary tensors are available for jobs, not for groups.',
  answers: {
    200: {
      description: 'the result',
      headers: ['infer-failed-rows', 'inference-header-content-length', 'server-timing'],
      content: {
        'application/json': {
          schema: VALUE,
          examples: { oneRow: { summary: 'one row', value: { class: 7, confidence: 0.98 } } },
        },
        'application/x-ndjson': { schema: { ...TEXT, description: 'one line per row' } },
        'application/x-npy': { schema: { ...BYTES, description: 'the only output, as a NumPy array' } },
        'application/octet-stream': {
          schema: { ...BYTES, description: 'the outputs as binary tensors of the Open Inference Protocol' },
        },
      },
    },
    202: { description: 'it has not ended: the job', headers: ['retry-after'], example: PLACED },
  },
  errors: [
    ...READ_ERRORS,
    ...NO_WAIT,
    ...JOB_FAILURES,
    'BODIES_FULL',
    'OUTPUT_FORM',
    'WAIT_TIMEOUT',
    'NOT_ENDED',
  ],
};

export const EVENTS_DOC: RouteDoc = {
  id: 'getEvents',
  topic: 'Jobs',
  summary: 'events of a job or group until it has ended',
  description:
    'Server-sent events: `state` with each change, `position` while it waits, `progress` of a group, and `end`, which is the last. The first is the current state.',
  answers: {
    200: {
      description: 'the events; the data of each is the job, or a part of it',
      content: {
        'text/event-stream': {
          schema: TEXT,
          examples: {
            end: {
              summary: 'the last event',
              value: 'event: end\nid: end\ndata: {"id":"order-1234","state":"completed"}\n\n',
            },
          },
        },
      },
    },
    204: { description: 'the request had `Last-Event-ID: end`: the client has received all events' },
  },
  errors: [...READ_ERRORS, ...NO_WAIT],
};

const AGAIN = { headers: ['retry-after'], example: { ...QUEUED, state: 'active' } } as const;
const STEER_ERRORS = [...REDIS_AWAY, ...NO_JOB, 'TOKEN_SCOPE', 'REDIS_FULL', 'REDIS_NOREPLICAS'] as const;

export const CANCEL_DOC: RouteDoc = {
  id: 'cancelJob',
  topic: 'Jobs',
  summary: 'cancel a job or group',
  answers: {
    200: { description: 'it is cancelled', example: { ...QUEUED, state: 'cancelled' } },
    202: { description: 'it runs and is being stopped', ...AGAIN },
    409: {
      description: 'it had already ended; the problem contains the job',
      content: {
        'application/problem+json': {
          schema: {
            allOf: [
              { $ref: '#/components/schemas/Problem' },
              { type: 'object', properties: { job: { $ref: '#/components/schemas/Job' } } },
            ],
          },
        },
      },
    },
  },
  errors: [...STEER_ERRORS, 'JOB_ENDED'],
};

export const RETRY_DOC: RouteDoc = {
  id: 'retryJob',
  topic: 'Jobs',
  summary: 'run a failed job, or the failed jobs of a group, again',
  answers: {
    202: {
      description: 'it was queued again',
      headers: ['location', 'retry-after', 'ratelimit', 'ratelimit-policy'],
      example: QUEUED,
    },
  },
  errors: [...STEER_ERRORS, ...NOT_LET_IN, 'NOT_FAILED', 'INPUT_GONE', 'RETRY_WHAT'],
};

export const DELETE_DOC: RouteDoc = {
  id: 'deleteJob',
  topic: 'Jobs',
  summary: 'delete a job or group: input, result and record',
  description: 'A running job is cancelled first.',
  answers: {
    202: { description: 'it runs and is being stopped: delete it again', ...AGAIN },
    204: { description: 'it is deleted' },
  },
  errors: [...STEER_ERRORS, 'CANCELLED', 'JOB_ENDED'],
};

/** Response of `GET /result/:id`: `completed`, or a state of Celery. */
export const RECIPE_ANSWER = z.object({
  status: z.enum(['completed', 'PENDING', 'STARTED', 'RETRY', 'FAILURE', 'REVOKED', 'UNKNOWN']),
  result: z.unknown().optional().describe('one row: its value; several rows: a list'),
  error: z.string().optional(),
});

export const RECIPE_DOC: RouteDoc = {
  id: 'getRecipeResult',
  topic: 'Recipe',
  summary: 'the state or result of a job, as in the recipe',
  answers: {
    200: {
      description: 'the job; until it has completed, `status` is a state of Celery',
      example: { status: 'completed', result: { class: 7, confidence: 0.98 } },
    },
    404: { description: 'the id is unknown', example: { status: 'UNKNOWN', error: 'no such job' } },
  },
  errors: [...READ_ERRORS, 'BODIES_FULL', 'RESULT_EXPIRED', ...JOB_FAILURES],
};
