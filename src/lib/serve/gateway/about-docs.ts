import { z } from 'zod';
import type { AnswerDoc, RouteDoc } from '../http/route-doc.js';
import { NO_MODEL, REDIS_AWAY } from '../openapi/error-groups.js';

/* What the OpenAPI document says of the routes about the server itself. */

const json = (description: string, schema: z.ZodType, value: unknown): AnswerDoc => ({
  description,
  content: { 'application/json': { schema, examples: { one: { summary: 'a response', value } } } },
});

export const INDEX_DOC: RouteDoc = {
  id: 'listRoutes',
  topic: 'Server',
  summary: 'the server and its routes',
  answers: {
    200: json(
      'the routes',
      z.object({
        name: z.string(),
        version: z.string(),
        routes: z.array(z.object({ method: z.string(), path: z.string() })),
      }),
      { name: 'infer', version: '0.1.0', routes: [{ method: 'POST', path: '/v1/jobs' }] },
    ),
  },
};

export const HEALTH_DOC: RouteDoc = {
  id: 'getHealth',
  topic: 'Server',
  summary: 'whether the process runs',
  answers: { 200: json('it runs', z.object({ live: z.literal(true) }), { live: true }) },
};

export const READY_DOC: RouteDoc = {
  id: 'getReadiness',
  topic: 'Server',
  summary: 'whether it accepts work: Redis answers, and workers serve the required models',
  answers: { 200: json('it accepts work', z.object({ ready: z.literal(true) }), { ready: true }) },
  errors: [...REDIS_AWAY, 'DRAINING', 'NOT_READY'],
};

export const ERROR_DOC: RouteDoc = {
  id: 'explainError',
  topic: 'Server',
  summary: 'the meaning of an error code',
  answers: {
    200: json(
      'the code',
      z.object({
        code: z.string(),
        meaning: z.string(),
        status: z.number().describe('HTTP status of a response with this code'),
        exitCode: z.number().describe('exit code of a command that fails with this code'),
        retryable: z.boolean().describe('the same request may succeed later'),
        fault: z.string().describe('who can fix it: caller, model, broker, device or bug'),
        documentation: z.string(),
      }),
      {
        code: 'QUEUE_FULL',
        meaning: 'More jobs wait in the queue than `--max-waiting` allows.',
        status: 503,
        exitCode: 75,
        retryable: true,
        fault: 'caller',
        documentation: 'docs/serve.md#limits',
      },
    ),
  },
  errors: ['HTTP_ROUTE'],
};

export const EXAMPLE_DOC: RouteDoc = {
  id: 'getExample',
  topic: 'Models',
  summary: 'an example input of a model, as the body of a job',
  answers: {
    200: json(
      'the body of a job of one row',
      z.object({
        model: z.string(),
        input: z.unknown().describe('one row of zeros and short texts'),
      }),
      { model: 'digits', input: [0, 0, 5, 13] },
    ),
  },
  errors: [...REDIS_AWAY, ...NO_MODEL],
};

export const METRICS_DOC: RouteDoc = {
  id: 'getMetrics',
  topic: 'Server',
  summary: 'metrics for Prometheus',
  description: 'While Redis is unreachable, they contain `infer_up 0`.',
  answers: {
    200: {
      description: 'the metrics in the text format',
      content: {
        'text/plain': {
          schema: { type: 'string' },
          examples: { one: { summary: 'a line', value: 'infer_up 1\n' } },
        },
      },
    },
  },
  errors: REDIS_AWAY,
};

const AUTOSCALE_ERROR = z.looseObject({
  queue: z.string().optional(),
  held: z.number().nullable().optional().describe('the last number; null if there was none'),
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().nullable() }),
});

const refused = (description: string): AnswerDoc => ({
  description,
  content: { 'application/json': { schema: AUTOSCALE_ERROR } },
});

const count = (text: string, least = 0) => z.number().int().min(least).max(999_999).optional().describe(text);

export const AUTOSCALE_DOC: RouteDoc = {
  id: 'getDesiredWorkers',
  topic: 'Deployment',
  summary: 'number of workers that a queue needs, for KEDA',
  params: z.object({
    queues: z.string().describe('queue, or several queues that the same workers serve, separated by commas'),
  }),
  query: z.object({
    min: count('minimum number of workers [1]'),
    max: count('maximum number of workers [4]', 1),
    spare: count('workers kept beyond what is needed [0]'),
    threshold: count('waiting jobs for each worker, for the policy threshold', 1),
    targetWait: z.string().optional().describe('longest acceptable wait, such as 10s [10s]'),
    policy: z.string().optional().describe('scaling policy [predictive]'),
  }),
  answers: {
    200: json(
      'the decision',
      z.looseObject({
        queue: z.string(),
        desiredWorkers: z.number(),
        reason: z.string(),
        hold: z.string().nullable(),
        decidedAt: z.string(),
        waiting: z.number(),
      }),
      {
        queue: 'realtime',
        desiredWorkers: 2,
        reason: '12 jobs wait',
        hold: null,
        decidedAt: '2026-11-28T12:00:00.000Z',
        waiting: 12,
      },
    ),
    400: refused('a parameter has no usable value'),
    404: refused('no such queue'),
    500: refused('Redis holds something unexpected'),
    503: refused('Redis is away: the number stands'),
  },
};
