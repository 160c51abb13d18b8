import { z } from 'zod';
import { errorFacts, isErrorCode } from '../../core/error-table.js';
import { InferError } from '../../core/errors.js';
import { parseModel } from '../../core/names.js';
import { readFailures } from '../../deployment/read-failures.js';
import { readAudit } from '../../queue/audit.js';
import { readEvents } from '../../queue/events/read-events.js';
import { EVENT_KINDS, type EventKind } from '../../queue/events/types.js';
import { readHistory } from '../../queue/history/read-history.js';
import { HISTORY_RANGES, SERIES_KINDS } from '../../queue/history/types.js';
import { LABELS, parseJobFilter } from '../../queue/read/job-filter.js';
import { listWorkers, publishedModel, publishedVersion, publishedVersions } from '../../queue/registry.js';
import type { Gateway } from '../gateway/gateway.js';
import type { App } from '../http/app.js';
import { readingRoutes } from './reading.js';
import type { RedisReports } from './redis-reports.js';
import type { AuditPage, FailureRow, FailuresPage, ModelPage, TensorRow } from './shapes.js';

/** Entries of the audit log that the filters look at. */
const AUDIT_LOOKED = 1000;
const MOST_EVENTS = 500;

const SEVERAL = z
  .string()
  .optional()
  .transform((text) => (text === undefined || text === '' ? undefined : [text]));

/** Pages besides those of jobs: failures, models, Redis, audit, history and events. */
export function addPageRoutes(app: App, gateway: Gateway, at: string, reports: RedisReports): void {
  const { client, prefix } = gateway;
  const { redis } = client;
  const reading = readingRoutes(app, gateway, at);
  reading('failures', z.strictObject({ queue: SEVERAL, model: SEVERAL }), async ({ query }) => {
    return failuresPage(gateway, query);
  });
  reading('model', z.strictObject({ name: z.string().min(1) }), async ({ query }) =>
    modelPage(gateway, query.name),
  );
  reading('redis', z.strictObject({}), () => reports.read());
  const limit = (most: number, usual: number) => z.coerce.number().int().min(1).max(most).default(usual);
  const auditQuery = z.strictObject({ limit: limit(500, 100), who: SEVERAL, action: SEVERAL });
  reading('audit', auditQuery, async ({ query }): Promise<AuditPage> => {
    const all = await readAudit(redis, prefix, AUDIT_LOOKED);
    const [who] = query.who ?? [];
    const [action] = query.action ?? [];
    const entries = all
      .filter((entry) => (who ?? entry.who) === entry.who && (action ?? entry.action) === entry.action)
      .slice(0, query.limit)
      .map(({ ok: _, ...entry }) => entry);
    const names = (of: (entry: (typeof all)[number]) => string) => [...new Set(all.map(of))].sort();
    return { entries, actions: names((entry) => entry.action), people: names((entry) => entry.who) };
  });
  const historyQuery = z.strictObject({
    kind: z.enum(SERIES_KINDS).default('all'),
    name: z.string().optional(),
    range: z.enum(HISTORY_RANGES).default('1h'),
    stepMs: z.coerce.number().int().positive().optional(),
  });
  reading('history', historyQuery, ({ query }) => readHistory(redis, prefix, query));
  const eventsQuery = z.strictObject({
    limit: limit(MOST_EVENTS, 100),
    after: z.string().optional(),
    since: z.coerce.number().int().nonnegative().optional(),
    kinds: z
      .string()
      .optional()
      .transform((text) => text?.split(','))
      .pipe(z.array(z.enum(Object.keys(EVENT_KINDS) as [EventKind, ...EventKind[]])).optional()),
  });
  reading('events', eventsQuery, ({ query }) => readEvents(redis, prefix, query));
}

async function failuresPage(
  { client, prefix }: Gateway,
  typed: { queue: string[] | undefined; model: string[] | undefined },
): Promise<FailuresPage> {
  const filter = parseJobFilter({ ...typed, state: ['failed'] }, LABELS);
  const { groups, looked, total } = await readFailures(client.redis, prefix, filter);
  const rows = groups.map(({ code, queues, ...group }): FailureRow => {
    const queue = queues.join(',');
    const model = filter.models === undefined ? {} : { model: filter.models.join(',') };
    return {
      ...group,
      code,
      queues,
      meaning: isErrorCode(code) ? errorFacts(code).meaning : null,
      filter: { error: code, queue, ...model },
    };
  });
  return { groups: rows, looked, total };
}

/** @param text name of a model, or one of its versions: `name@2` */
async function modelPage({ client, prefix }: Gateway, text: string): Promise<ModelPage> {
  const { redis } = client;
  const { model: name, version: wanted } = parseModel(text);
  const [newest, versions, all] = await Promise.all([
    publishedModel(redis, prefix, name),
    publishedVersions(redis, prefix, name),
    listWorkers(redis, prefix),
  ]);
  const found = wanted === undefined ? newest : await publishedVersion(redis, prefix, name, wanted);
  if (found === undefined) {
    throw new InferError('MODEL_UNKNOWN', 'no worker has loaded this model', {
      hint: `infer worker --model ${name}`,
    });
  }
  const serving = all.flatMap((worker) =>
    worker.models.filter((model) => model.name === name).map((model) => ({ worker: worker.name, ...model })),
  );
  const tensors = (list: typeof found.inputs): TensorRow[] =>
    list.map(({ name: own, type, shape, shared }) => ({ name: own, type, shape, shared }));
  return {
    name,
    versions,
    version: found.version,
    task: found.task,
    labels: found.labels ?? null,
    batchable: found.batchable,
    maxBatch: found.maxBatch ?? null,
    inputs: tensors(found.inputs),
    outputs: tensors(found.outputs),
    sizeBytes: found.sizeBytes,
    digest: found.digest,
    warnings: found.warnings,
    workers: serving.map(({ worker, version, batch, unbatched }) => ({
      worker,
      version,
      batch,
      unbatched: unbatched?.text ?? null,
    })),
    problems: all.flatMap((worker) =>
      (worker.modelProblems ?? [])
        .filter(({ model }) => model === name)
        .map(({ code, message, hint }) => ({ worker: worker.name, code, message, hint })),
    ),
    sizes: serving.flatMap(({ worker, sizes = [] }) =>
      sizes.map(([rows, runMs]) => ({ worker, rows, runMs })),
    ),
  };
}
