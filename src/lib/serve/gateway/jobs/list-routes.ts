import { z } from 'zod';
import { DeploymentReader } from '../../../deployment/deployment-reader.js';
import { jobJson } from '../../../deployment/job-json.js';
import { jobsPage } from '../../../deployment/read-jobs.js';
import { statJson, statLines } from '../../../deployment/stat-lines.js';
import { readAutoscalers } from '../../../queue/autoscalers.js';
import { FIELDS, parseJobFilter } from '../../../queue/read/job-filter.js';
import { JOB_ORDERS } from '../../../queue/read/job-list.js';
import { serverNow, serverTime } from '../../../redis/server-clock.js';
import { worded } from '../../../redis/worded.js';
import type { App } from '../../http/app.js';
import type { Gateway } from '../gateway.js';
import { urlsOf } from './job-json.js';
import { AUTOSCALER_DOC, JOBS_DOC, QUEUES_DOC, STATS_DOC, WORKERS_DOC } from './list-docs.js';
import { patiently } from './patience.js';
import { cursorSeal } from './sealed-cursor.js';
import { onlyOwner } from './visible.js';

/** One value, several values, or one text with several values separated by commas. */
export const WORDS = z
  .union([z.string(), z.array(z.string())])
  .optional()
  .transform((given) => (given === undefined ? undefined : [given].flat()));
const FLAG = z.enum(['true', 'false', '']).optional();

const JOBS_QUERY = z.strictObject({
  state: WORDS.describe('waiting, delayed, active, completed, failed, expired, cancelled [not ended]'),
  queue: WORDS.describe('only these queues'),
  model: WORDS.describe('only jobs of these models'),
  worker: WORDS.describe('only jobs that these workers hold, or held last'),
  priority: WORDS.describe('only these priorities, such as 9 or 5..9'),
  olderThan: z.string().optional().describe('only jobs in their state for longer than this: 30s, 5m, 2h'),
  error: z.string().optional().describe('only jobs whose last error has this code, or this in its message'),
  sort: z.enum(JOB_ORDERS).optional().describe('what comes first; a sorted list has one page'),
  reverse: FLAG.describe('reverse the order'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(50)
    .describe('maximum number of jobs per page [50]'),
  cursor: z.string().optional().describe('next of the previous page'),
});

const QUEUES_QUERY = z.strictObject({ queue: WORDS.describe('only these queues') });
const WORKERS_QUERY = QUEUES_QUERY.extend({
  worker: WORDS.describe('only these workers, by name, id or host'),
});
const STATS_QUERY = WORKERS_QUERY.extend({
  by: z.enum(['worker', 'model']).default('worker').describe('what each queue is broken down by [worker]'),
});

const ROW = z.record(z.string(), z.unknown());

/** Routes that read the deployment, as `infer inspect … --json` does. */
export function addListRoutes(app: App, gateway: Gateway): void {
  const { client, prefix } = gateway;
  const reader = DeploymentReader.over(client.redis, client.target, prefix);
  app.get(
    '/v1/jobs',
    {
      config: { access: 'read', doc: JOBS_DOC },
      schema: {
        querystring: JOBS_QUERY,
        response: { 200: z.object({ items: z.array(ROW), next: z.string().nullable() }) },
      },
    },
    async (request) => {
      const { sort, reverse = 'false', limit, cursor, ...typed } = request.query;
      const owner = onlyOwner(request.caller);
      const filter = { ...parseJobFilter(typed, FIELDS), owner };
      const page = async () => {
        const cursors = await cursorSeal(client.redis, prefix, owner);
        const from = cursor === undefined ? undefined : cursors.open(cursor);
        const wanted = { sort, reverse: reverse !== 'false', limit, cursor: from };
        const { jobs, next } = await jobsPage(client.redis, prefix, filter, wanted);
        return { jobs, next: next === undefined ? null : cursors.seal(next) };
      };
      const { jobs, next } = await patiently(gateway, request.signal, worded(client.redis, page()));
      const now = serverTime();
      const items = jobs.map((job) => ({ ...jobJson(job, now), urls: urlsOf(gateway, job.id) }));
      return { items, next };
    },
  );
  app.get(
    '/v1/queues',
    {
      config: { access: 'read', doc: QUEUES_DOC },
      schema: { querystring: QUEUES_QUERY, response: { 200: z.object({ queues: z.array(ROW) }) } },
    },
    async (request) => {
      const queues = several(request.query.queue);
      return { queues: await patiently(gateway, request.signal, reader.queues({ queues })) };
    },
  );
  app.get(
    '/v1/workers',
    {
      config: { access: 'read', doc: WORKERS_DOC },
      schema: { querystring: WORKERS_QUERY, response: { 200: z.object({ workers: z.array(ROW) }) } },
    },
    async (request) => {
      const wanted = { queues: several(request.query.queue), destinations: several(request.query.worker) };
      const workers = await patiently(gateway, request.signal, reader.workers(wanted));
      // Running jobs have ids, and a worker's record does not say who submitted them.
      const shown =
        onlyOwner(request.caller) === undefined ? workers : workers.map((one) => ({ ...one, active: [] }));
      return { workers: shown };
    },
  );
  app.get(
    '/v1/stats',
    {
      config: { access: 'read', doc: STATS_DOC },
      schema: { querystring: STATS_QUERY, response: { 200: z.object({ stats: z.array(ROW) }) } },
    },
    async (request) => {
      const { queue, worker, by } = request.query;
      const wanted = { queues: several(queue), destinations: several(worker) };
      const rows = await patiently(gateway, request.signal, reader.stats(wanted, by));
      return { stats: statLines(rows).map(statJson) };
    },
  );
  app.get(
    '/v1/autoscaler',
    {
      config: { access: 'read', doc: AUTOSCALER_DOC },
      schema: { response: { 200: z.object({ autoscalers: z.array(ROW) }) } },
    },
    async (request) => {
      const read = async () => readAutoscalers(client.redis, prefix, await serverNow(client.redis));
      const { autoscalers } = await patiently(gateway, request.signal, worded(client.redis, read()));
      return { autoscalers: autoscalers.map((one) => ({ ...one })) };
    },
  );
}

/** `?queue=a,b` and `?queue=a&queue=b` mean the same. */
export function several(given: readonly string[] | undefined): string[] | undefined {
  const words = given?.flatMap((text) => text.split(',')).filter((word) => word !== '');
  return words === undefined || words.length === 0 ? undefined : words;
}
