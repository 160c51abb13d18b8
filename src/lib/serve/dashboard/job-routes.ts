import { z } from 'zod';
import { InferError } from '../../core/errors.js';
import { chunkId } from '../../core/job.js';
import { jobJson } from '../../deployment/job-json.js';
import { previewOf } from '../../deployment/payload-preview.js';
import { type PlacedJob, readPlacedJob } from '../../deployment/read-job.js';
import { jobsPage } from '../../deployment/read-jobs.js';
import { missingId } from '../../queue/broker/unknown-id.js';
import { readInput } from '../../queue/read/job-detail.js';
import { LABELS, parseJobFilter } from '../../queue/read/job-filter.js';
import { listQueues, locate, queueOfChunk, readGroup, readJob } from '../../queue/read/reader.js';
import { serverNow } from '../../redis/server-clock.js';
import type { Caller } from '../auth/caller.js';
import type { Gateway } from '../gateway/gateway.js';
import type { App } from '../http/app.js';
import { readingRoutes } from './reading.js';
import type { JobPage, JobsPage, JobsQuery, PayloadPreview } from './shapes.js';

const MOST_LISTED = 200;
/** Records looked at for a page: with a filter that few jobs match, there are more pages, and each comes soon. */
const LOOKED = 2500;
/** Values shown of each tensor. */
const VALUES = 64;
/** A larger input or result is not read for a preview. */
const PREVIEW_BYTES = 4 * 1024 ** 2;

const WORDS = z
  .union([z.string(), z.array(z.string())])
  .optional()
  .transform((given) => (given === undefined || given === '' ? undefined : [given].flat()));
const FILTERS = {
  state: WORDS,
  queue: WORDS,
  model: WORDS,
  worker: WORDS,
  priority: WORDS,
  olderThan: z.string().optional(),
  error: z.string().optional(),
} satisfies Partial<Record<keyof JobsQuery, z.ZodType>>;
const JOBS_QUERY = z.strictObject({
  ...FILTERS,
  id: z.string().optional(),
  reverse: z.enum(['true', 'false', '']).optional(),
  limit: z.coerce.number().int().min(1).max(MOST_LISTED).default(50),
  cursor: z.string().optional(),
});
const NOTHING = z.strictObject({});

/** Lists of jobs, and one job: `api/jobs…`. No list reads an input or a result. */
export function addJobPages(app: App, gateway: Gateway, at: string): void {
  const { client, prefix } = gateway;
  const { redis, results } = client;
  const reading = readingRoutes(app, gateway, at);
  reading('jobs', JOBS_QUERY, async ({ query }): Promise<JobsPage> => {
    const { id, reverse, limit, cursor, ...typed } = query;
    if (id !== undefined && id !== '') return byId(gateway, id.trim(), limit);
    const filter = parseJobFilter(typed, LABELS);
    const wanted = { sort: undefined, reverse: reverse === 'true', limit, cursor, look: LOOKED };
    const page = await jobsPage(redis, prefix, filter, wanted);
    const now = await serverNow(redis);
    const items = page.jobs.map((job) => jobJson(job, now));
    return { items, next: page.next ?? null, total: page.total, exact: page.exact };
  });
  reading('jobs/:id', NOTHING, async ({ id, request }): Promise<JobPage> => {
    const job = await readPlacedJob(redis, prefix, id, results);
    return jobPage(job, await serverNow(redis), gateway.control ? request.caller : undefined);
  });
  reading('jobs/:id/input', NOTHING, async ({ id }): Promise<PayloadPreview> => {
    const job = await readPlacedJob(redis, prefix, id, results);
    return preview(job.input?.bytes, () => readInput(redis, prefix, job.queue, id), 'input');
  });
  reading('jobs/:id/result', NOTHING, async ({ id }): Promise<PayloadPreview> => {
    const job = await readPlacedJob(redis, prefix, id, results);
    return preview(job.result?.bytes, () => results.read(job.queue, id, job.endedBy ?? ''), 'result');
  });
}

/** The job of an id, or the first chunks of a group. @throws InferError JOB_UNKNOWN (404). */
async function byId({ client, prefix }: Gateway, id: string, limit: number): Promise<JobsPage> {
  const { redis } = client;
  const now = await serverNow(redis);
  const place = await locate(redis, prefix, id, await listQueues(redis, prefix));
  if (place === undefined) throw await missingId(redis, prefix, id);
  if (place.kind === 'job') {
    const job = await readJob(redis, prefix, place.queue, id);
    if (job === undefined) throw await missingId(redis, prefix, id);
    return { items: [jobJson(job, now)], next: null, total: 1, exact: true };
  }
  const group = await readGroup(redis, prefix, place.queue, id);
  if (group === undefined) throw await missingId(redis, prefix, id);
  const chunks = await Promise.all(
    Array.from({ length: Math.min(limit, group.jobs) }, (_, index) =>
      readJob(redis, prefix, queueOfChunk(group, index), chunkId(id, index)),
    ),
  );
  const items = chunks.filter((job) => job !== undefined).map((job) => jobJson(job, now));
  return { items, next: null, total: group.jobs, exact: true };
}

/** @param controller who may act on it; undefined: no one */
function jobPage(job: PlacedJob, now: number, controller: Caller | undefined): JobPage {
  const { timeline, group, meta, position = null, eta = null, noEta = null, why } = job;
  const open = job.finishedAt === undefined || job.state === 'waiting' || job.state === 'delayed';
  const may = controller?.allows('control') === true;
  return {
    job: {
      ...jobJson(job, now),
      group: group === undefined ? null : { id: group.id, index: group.index },
      owner: job.owner ?? null,
      deadline: job.deadline ?? null,
      attemptsAllowed: job.attemptsAllowed ?? null,
      timeLimitMs: job.timeLimitMs ?? null,
      cancelAsked: job.cancelAsked,
      failures: job.failures,
      losses: job.losses,
      lockMs: job.lockMs ?? null,
      device: meta?.device ?? null,
      modelVersion: meta?.version ?? job.version ?? null,
      queueMs: meta?.queueMs ?? null,
      totalMs: meta?.totalMs ?? null,
      input: job.input ?? null,
      result: job.result ?? null,
      recordExpiresInMs: job.recordExpiresInMs,
    },
    timeline: timeline.events,
    forgotten: timeline.forgotten,
    place: why === undefined ? null : { position, eta, noEta, why },
    can: {
      cancel: may && open && !job.cancelAsked,
      rerun: may && job.state === 'failed' && job.input !== undefined,
      priority: may && (job.state === 'waiting' || job.state === 'delayed'),
    },
  };
}

/** @throws InferError INPUT_GONE, RESULT_EXPIRED (410) when it is not kept. */
async function preview(
  bytes: number | undefined,
  read: () => Promise<Buffer | undefined>,
  what: 'input' | 'result',
): Promise<PayloadPreview> {
  if (bytes !== undefined && bytes > PREVIEW_BYTES) return { bytes, tooLarge: true, tensors: [] };
  const envelope = bytes === undefined ? undefined : await read();
  if (envelope === undefined) {
    throw new InferError(
      what === 'input' ? 'INPUT_GONE' : 'RESULT_EXPIRED',
      `its ${what} is no longer kept, or was never stored`,
    );
  }
  return { bytes: envelope.byteLength, tooLarge: false, tensors: previewOf(envelope, VALUES) };
}
