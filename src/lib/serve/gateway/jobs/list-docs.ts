import { z } from 'zod';
import type { AnswerDoc, RouteDoc } from '../../http/route-doc.js';
import { REDIS_AWAY } from '../../openapi/error-groups.js';

/* OpenAPI documentation of the routes that read the deployment. Fields may be added later. */

const SPREAD = z
  .object({ p50: z.number(), p90: z.number(), p99: z.number(), max: z.number() })
  .nullable()
  .describe('milliseconds; null if no job ran');
const FIGURES = z
  .looseObject({
    windowMs: z.number().describe('time over which the rates are computed'),
    jobs: z.record(z.string(), z.number()).describe('ended jobs by state'),
    failures: z.record(z.string(), z.number()).describe('failed jobs by error code'),
    rows: z.number(),
    jobsPerSecond: z.number(),
    rowsPerSecond: z.number(),
    waitMs: SPREAD,
    runMs: SPREAD,
    totalMs: SPREAD,
  })
  .describe('work done in a period')
  .meta({ id: 'Figures' });

const LISTED_JOB = z.looseObject({
  id: z.string(),
  state: z.string(),
  queue: z.string(),
  model: z.string(),
  rows: z.number(),
  priority: z.number(),
  submittedAt: z.number(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  runAt: z.number().nullable().describe('when a delayed job may run'),
  ageMs: z.number().describe('how long it has been in its state'),
  runMs: z.number().nullable(),
  attempts: z.number(),
  worker: z.string().nullable(),
  error: z.looseObject({ code: z.string(), message: z.string() }).nullable(),
  newer: z
    .looseObject({ number: z.number(), since: z.string() })
    .nullable()
    .describe('the layout of a job that this release cannot read, and the first release that can'),
  urls: z.record(z.string(), z.string()),
});

const QUEUE = z.looseObject({
  name: z.string(),
  paused: z.boolean(),
  waiting: z.number(),
  delayed: z.number(),
  active: z.number(),
  completed: z.number(),
  failed: z.number(),
  expired: z.number(),
  cancelled: z.number(),
  byPriority: z.array(z.number()).describe('waiting jobs of each priority, from 0 to 9'),
  oldestMs: z.number().nullable().describe('age of the oldest waiting job'),
  ratePerSecond: z.number().nullable(),
  arrivalsPerSecond: z.number().nullable(),
  etaMs: z.number().nullable().describe('milliseconds until the waiting jobs are done'),
  growing: z.boolean().describe('more jobs arrive than end'),
  lastMinute: FIGURES,
});

const WORKER = z.looseObject({
  id: z.string(),
  name: z.string(),
  host: z.string(),
  version: z.string(),
  state: z.enum(['starting', 'ready', 'draining']),
  device: z.string(),
  gpu: z.string().nullable(),
  queues: z.array(z.string()),
  models: z.array(z.looseObject({ name: z.string(), version: z.number() })),
  concurrency: z.number().describe('runner processes'),
  active: z
    .array(z.looseObject({ id: z.string() }))
    .describe('jobs in a run; empty if the token does not allow reading all jobs'),
  startedAt: z.number(),
  beatAgeMs: z.number().describe('milliseconds since its last heartbeat'),
  lastMinute: FIGURES,
  sinceStart: FIGURES,
});

const STAT = z.looseObject({
  queue: z.string(),
  worker: z.string().nullable().describe('null for the total'),
  model: z.string().nullable().describe('null for the total'),
  over: z.enum(['minute', 'start']).describe('the last minute, or since the workers started'),
});

const AUTOSCALER = z.looseObject({
  id: z.string(),
  host: z.string(),
  queues: z.array(z.string()),
  policy: z.string(),
  dryRun: z.boolean(),
  min: z.number(),
  max: z.number(),
  targetWaitMs: z.number(),
  desired: z.number().describe('workers that should run'),
  decidedAt: z.number(),
  reason: z.string().describe('the reason for the last decision'),
  hold: z.string().nullable().describe('why the number is held'),
});

const json = (description: string, schema: z.ZodType, value: unknown): AnswerDoc => ({
  description,
  content: { 'application/json': { schema, examples: { one: { summary: 'a response', value } } } },
});

const figures = {
  windowMs: 60000,
  jobs: { completed: 480, failed: 0 },
  failures: {},
  rows: 480,
  jobsPerSecond: 8,
  rowsPerSecond: 8,
  waitMs: { p50: 2.1, p90: 4.8, p99: 9.6, max: 12 },
  runMs: { p50: 0.4, p90: 0.5, p99: 0.9, max: 1.3 },
  totalMs: { p50: 3, p90: 5.9, p99: 11, max: 14 },
};

export const JOBS_DOC: RouteDoc = {
  id: 'listJobs',
  topic: 'Jobs',
  summary: 'a page of jobs',
  description:
    'Filters take several values, separated by commas. A page may have fewer jobs than `limit` and still have a next page. A token without `read:all` sees only its own jobs.',
  answers: {
    200: json('the page', z.object({ items: z.array(LISTED_JOB), next: z.string().nullable() }), {
      items: [],
      next: null,
    }),
  },
  errors: [...REDIS_AWAY, 'FILTER', 'CURSOR', 'PRIORITY_RANGE', 'DURATION', 'QUEUE_NAME', 'QUEUE_UNKNOWN'],
};

const DEPLOYMENT_ERRORS = [
  ...REDIS_AWAY,
  'QUEUE_NAME',
  'QUEUE_UNKNOWN',
  'WORKER_UNKNOWN',
  'NO_WORKERS',
] as const;

export const QUEUES_DOC: RouteDoc = {
  id: 'listQueues',
  topic: 'Deployment',
  summary: 'queues and their waiting jobs',
  answers: {
    200: json('the queues', z.object({ queues: z.array(QUEUE) }), {
      queues: [
        {
          name: 'realtime',
          paused: false,
          waiting: 3,
          delayed: 0,
          active: 1,
          completed: 480,
          failed: 0,
          expired: 0,
          cancelled: 0,
          byPriority: [2, 0, 0, 0, 0, 0, 0, 0, 0, 1],
          oldestMs: 12,
          ratePerSecond: 8,
          arrivalsPerSecond: 8,
          etaMs: 375,
          growing: false,
          lastMinute: figures,
        },
      ],
    }),
  },
  errors: DEPLOYMENT_ERRORS,
};

export const WORKERS_DOC: RouteDoc = {
  id: 'listWorkers',
  topic: 'Deployment',
  summary: 'workers, their models and their running jobs',
  answers: { 200: json('the workers', z.object({ workers: z.array(WORKER) }), { workers: [] }) },
  errors: DEPLOYMENT_ERRORS,
};

export const STATS_DOC: RouteDoc = {
  id: 'getStats',
  topic: 'Deployment',
  summary: 'work done, by queue and worker or model',
  answers: {
    200: json('the figures', z.object({ stats: z.array(STAT) }), {
      stats: [{ queue: 'realtime', worker: null, model: null, over: 'minute', ...figures }],
    }),
  },
  errors: DEPLOYMENT_ERRORS,
};

export const AUTOSCALER_DOC: RouteDoc = {
  id: 'listAutoscalers',
  topic: 'Deployment',
  summary: 'autoscalers and their last decisions',
  answers: {
    200: json('the autoscalers', z.object({ autoscalers: z.array(AUTOSCALER) }), { autoscalers: [] }),
  },
  errors: REDIS_AWAY,
};
