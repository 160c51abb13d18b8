import { listSeries, readHistory } from '../queue/history/read-history.js';
import type { History, HistoryRange, SeriesKind, SeriesName } from '../queue/history/types.js';
import { listQueues } from '../queue/read/reader.js';
import { listWorkers, publishedModels } from '../queue/registry.js';
import type { RedisClient } from '../redis/types.js';
import { refuseUnknown } from './known-names.js';

/**
 * Which histories to read; the whole deployment's unless a queue, model or worker is named, or `by` says
 * which.
 */
export interface WantedHistories {
  queues?: readonly string[] | undefined;
  models?: readonly string[] | undefined;
  workers?: readonly string[] | undefined;
  /** One for each queue, model or worker, 50 at most: those with the newest figures. */
  by?: Exclude<SeriesKind, 'all'> | undefined;
  range: HistoryRange;
  /** Milliseconds of a point [depends on the range]. */
  stepMs?: number | undefined;
}

const MOST = 50;
/** Series read together. */
const AT_ONCE = 5;

/**
 * Reads the wanted histories, in the order in which they were named, or by name.
 * @throws InferError QUEUE_UNKNOWN, MODEL_UNKNOWN, WORKER_UNKNOWN (66), FILTER for a step that does not fit
 * (2).
 */
export async function readHistories(
  client: RedisClient,
  prefix: string,
  wanted: WantedHistories,
): Promise<History[]> {
  const { range, stepMs } = wanted;
  const named = await seriesFor(client, prefix, wanted);
  const histories: History[] = [];
  for (let from = 0; from < named.length; from += AT_ONCE) {
    const some = named.slice(from, from + AT_ONCE);
    const queries = some.map(({ kind, name }) => ({ kind, name: name ?? undefined, range, stepMs }));
    histories.push(...(await Promise.all(queries.map((query) => readHistory(client, prefix, query)))));
  }
  return histories;
}

type Named = Pick<SeriesName, 'kind' | 'name'>;

async function seriesFor(client: RedisClient, prefix: string, wanted: WantedHistories): Promise<Named[]> {
  const { queues = [], models = [], workers = [], by } = wanted;
  if (by === undefined && queues.length + models.length + workers.length === 0)
    return [{ kind: 'all', name: null }];
  const known = await listSeries(client, prefix);
  const namesOf = (kind: SeriesKind) => known.flatMap((one) => (one.kind === kind ? [one.name ?? ''] : []));
  if (queues.length > 0) {
    refuseUnknown(
      'queue',
      queues,
      [...namesOf('queue'), ...(await listQueues(client, prefix))],
      'infer inspect queues',
    );
  }
  if (models.length > 0) {
    const published = (await publishedModels(client, prefix)).map(({ name }) => name);
    refuseUnknown('model', models, [...namesOf('model'), ...published], 'infer inspect history --by model');
  }
  if (workers.length > 0) {
    const live = (await listWorkers(client, prefix)).map(({ name }) => name);
    refuseUnknown('worker', workers, [...namesOf('worker'), ...live], 'infer inspect history --by worker');
  }
  const named = (kind: SeriesKind, names: readonly string[]): Named[] =>
    [...new Set(names)].map((name) => ({ kind, name }));
  const each = known.filter((one) => one.kind === by).sort((a, b) => b.at - a.at);
  const newest = each.slice(0, MOST).map(({ name }) => name ?? '');
  return [
    ...named('queue', queues),
    ...named('model', models),
    ...named('worker', workers),
    ...(by === undefined ? [] : named(by, newest.sort())),
  ];
}
