import { setImmediate as yieldLoop } from 'node:timers/promises';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable, numberOr } from '../../redis/wrong-type.js';
import { queueTag, STATS_BUCKET_MS, statsKey } from '../keys.js';
import { STATS } from '../wire.js';
import { bucketAt, parseWork, readWorkReports, WorkFigures } from '../work-stats.js';
import { HistoryFigures } from './figures.js';
import { MINUTE_MS, seriesOf, WHOLE } from './series.js';

const BUCKETS = MINUTE_MS / STATS_BUCKET_MS;
/** Reports merged before other work of this process gets its turn. */
const AT_ONCE = 20;

/** Jobs that ended in ten seconds of a queue. */
export interface EndedJobs {
  bucket: number;
  ended: number;
  failed: number;
  codes: Readonly<Record<string, number>>;
}

export interface MinuteFigures {
  /** By series; only those in which something happened. */
  series: Map<string, HistoryFigures>;
  /** Of each queue, its buckets in order. */
  ended: Map<string, EndedJobs[]>;
}

/**
 * Figures of one minute so far, from the workers' reports of each ten seconds. It depends on nothing else, so
 * a process that computes or sends it again gets the same figures.
 * @param names of workers, by id; an unknown one is shown by its id
 */
export async function figuresOfMinute(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
  names: ReadonlyMap<string, string>,
  minute: number,
  now: number,
): Promise<MinuteFigures> {
  const sums = new Map<string, WorkFigures>();
  const sumOf = (series: string): WorkFigures => {
    let sum = sums.get(series);
    if (sum === undefined) {
      sum = new WorkFigures();
      sums.set(series, sum);
    }
    return sum;
  };
  const added = new Map<string, number>();
  const ended: MinuteFigures['ended'] = new Map();
  const first = bucketAt(minute);
  const last = Math.min(first + BUCKETS - 1, bucketAt(now));
  for (const queue of queues) {
    const reads = await Promise.all(
      Array.from({ length: last - first + 1 }, (_, i) => readBucket(client, prefix, queue, first + i)),
    );
    const buckets: EndedJobs[] = [];
    for (const [i, { work, added: jobs }] of reads.entries()) {
      if (jobs > 0) added.set(queue, (added.get(queue) ?? 0) + jobs);
      const counts = new WorkFigures();
      let merged = 0;
      for (const [id, json] of Object.entries(work)) {
        const figures = parseWork(json);
        if (figures === undefined) continue;
        counts.mergeCounts(figures);
        for (const [model, own] of figures.models) sumOf(seriesOf('model', model)).mergeOwn(own);
        sumOf(seriesOf('queue', queue)).mergeOwn(figures);
        sumOf(seriesOf('worker', names.get(id) ?? id)).mergeOwn(figures);
        sumOf(WHOLE).mergeOwn(figures);
        merged += 1;
        if (merged % AT_ONCE === 0) await yieldLoop();
      }
      buckets.push({
        bucket: first + i,
        ended: counts.ended,
        failed: counts.jobs.failed,
        codes: counts.codes,
      });
    }
    ended.set(queue, buckets);
  }
  const series = new Map<string, HistoryFigures>();
  for (const [name, work] of sums) {
    if (work.isEmpty) continue;
    series.set(name, HistoryFigures.of(work, name.startsWith('worker:') ? ['run'] : undefined));
  }
  addArrivals(series, queues, added);
  const ms = Math.max(0, Math.min(MINUTE_MS, now - minute));
  for (const figures of series.values()) figures.ms = ms;
  return { series, ended };
}

function addArrivals(
  series: Map<string, HistoryFigures>,
  queues: readonly string[],
  added: ReadonlyMap<string, number>,
): void {
  const of = (name: string): HistoryFigures => {
    const figures = series.get(name) ?? new HistoryFigures();
    series.set(name, figures);
    return figures;
  };
  let whole = 0;
  for (const queue of queues) {
    const name = seriesOf('queue', queue);
    const jobs = added.get(queue) ?? 0;
    whole += jobs;
    if (jobs > 0 || series.has(name)) of(name).added = jobs;
  }
  of(WHOLE).added = whole;
}

async function readBucket(
  client: RedisClient,
  prefix: string,
  queue: string,
  bucket: number,
): Promise<{ work: Record<string, string>; added: number }> {
  const key = statsKey(queueTag(prefix, queue), bucket);
  const [work, added] = await Promise.all([
    readWorkReports(client, prefix, queue, bucket),
    ifReadable(client.hget(key, STATS.added), null),
  ]);
  return { work, added: numberOr(added, 0) };
}
