import { z } from 'zod';
import type { AnswerDoc, RouteDoc } from '../../http/route-doc.js';
import { REDIS_AWAY } from '../../openapi/error-groups.js';

/* What the OpenAPI document says of the routes about the past of the deployment. */

const LEVEL = z.object({ mean: z.number(), max: z.number() }).describe('of what was seen every ten seconds');
const TIMES = z
  .object({ p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() })
  .nullable()
  .describe('milliseconds; null if no job ran');
const POINT = z
  .looseObject({
    at: z.number().describe('beginning of the step'),
    ms: z.number().describe('recorded time of the step, for rates'),
    jobs: z.record(z.string(), z.number()).describe('jobs by how they ended'),
    failures: z.record(z.string(), z.number()).describe('failed jobs by error code'),
    added: z.number().nullable().describe('jobs submitted; null for models and workers'),
    rows: z.number().describe('rows of completed jobs'),
    waitMs: TIMES,
    runMs: TIMES,
    totalMs: TIMES,
    batches: z.looseObject({
      count: z.number(),
      rows: z.number().nullable().describe('mean rows of a run'),
      closed: z.record(z.string(), z.number()),
    }),
    backlog: z
      .looseObject({ waiting: LEVEL, delayed: LEVEL, active: LEVEL, oldestMs: z.number() })
      .nullable()
      .describe('of all queues or one; null for models and workers'),
    workers: LEVEL.nullable().describe('live workers; null except for the whole deployment'),
    busy: z
      .number()
      .nullable()
      .describe('share of their time in which workers held jobs; null for queues and models'),
    load: z
      .looseObject({ busy: z.number().nullable(), rssBytes: z.number() })
      .nullable()
      .describe('of a worker'),
  })
  .meta({ id: 'HistoryPoint' });
const HISTORY = z.looseObject({
  kind: z.enum(['all', 'queue', 'model', 'worker']),
  name: z.string().nullable(),
  range: z.string(),
  stepMs: z.number(),
  from: z.number(),
  to: z.number(),
  points: z.array(POINT).describe('oldest first; a step that is missing was not recorded'),
  total: POINT.describe('sum over all points'),
});
const EVENT = z
  .looseObject({
    id: z.string(),
    at: z.number(),
    kind: z.string(),
    subject: z.object({ kind: z.string(), name: z.string() }),
    text: z.string().describe('one sentence'),
    alarm: z.boolean().describe('it needs attention'),
    data: z.record(z.string(), z.string()),
  })
  .meta({ id: 'DeploymentEvent' });

const point = {
  at: 1795903200000,
  ms: 60000,
  jobs: { completed: 480, failed: 0, expired: 0, cancelled: 0, retried: 0 },
  failures: {},
  added: 480,
  rows: 480,
  waitMs: { p50: 2.1, p95: 6.2, p99: 9.6, max: 12 },
  runMs: { p50: 0.4, p95: 0.6, p99: 0.9, max: 1.3 },
  totalMs: { p50: 3, p95: 7.3, p99: 11, max: 14 },
  batches: { count: 60, rows: 8, closed: { idle: 60 } },
  backlog: {
    waiting: { mean: 3, max: 9 },
    delayed: { mean: 0, max: 0 },
    active: { mean: 8, max: 8 },
    oldestMs: 12,
  },
  workers: null,
  busy: null,
  load: null,
};

const event = {
  id: 'e1795903200000-0',
  at: 1795903200000,
  kind: 'worker-lost',
  subject: { kind: 'worker', name: 'gpu-1' },
  text: 'worker gpu-1 on host-a, started 2h 5m ago, was lost: it sends no heartbeat',
  alarm: true,
  data: { host: 'host-a', version: '0.1.0', device: 'cuda:0' },
};

const json = (description: string, schema: z.ZodType, value: unknown): AnswerDoc => ({
  description,
  content: { 'application/json': { schema, examples: { one: { summary: 'an answer', value } } } },
});

export const HISTORY_DOC: RouteDoc = {
  id: 'getHistory',
  topic: 'Deployment',
  summary: 'figures of the last minutes, hours or days',
  description:
    'Of the whole deployment, unless queues, models or workers are named or `by` says which: 50 series at most. Workers record each minute for 24 hours and each hour for 14 days.',
  answers: {
    200: json('the figures', z.object({ history: z.array(HISTORY) }), {
      history: [
        {
          kind: 'queue',
          name: 'realtime',
          range: '5m',
          stepMs: 60000,
          from: 1795903200000,
          to: 1795903260000,
          points: [point],
          total: point,
        },
      ],
    }),
  },
  errors: [...REDIS_AWAY, 'FILTER', 'DURATION', 'QUEUE_UNKNOWN', 'MODEL_UNKNOWN', 'WORKER_UNKNOWN'],
};

export const DEPLOYMENT_EVENTS_DOC: RouteDoc = {
  id: 'getDeploymentEvents',
  topic: 'Deployment',
  summary: 'what happened: workers, scaling, failures, changes',
  description:
    'Oldest first. With `Accept: text/event-stream`, past events and those that follow, each as an event named after its kind; `Last-Event-ID` continues an interrupted stream. Changes come from the audit logs, if the gateway may read them.',
  answers: {
    200: {
      description: 'the events',
      content: {
        'application/json': {
          schema: z.object({
            events: z.array(EVENT),
            cursor: z.string().describe('`after` of the next request'),
          }),
          examples: {
            one: { summary: 'an answer', value: { events: [event], cursor: '1795903200000-0:0-0:0-0' } },
          },
        },
        'text/event-stream': {
          schema: { type: 'string' },
          examples: {
            one: {
              summary: 'one event',
              value: `event: worker-lost\nid: 1795903200000-0:0-0:0-0\ndata: ${JSON.stringify(event)}\n\n`,
            },
          },
        },
      },
    },
  },
  errors: [...REDIS_AWAY, 'FILTER', 'DURATION', 'CURSOR', 'OUTPUT_FORM'],
};
