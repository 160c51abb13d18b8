import { STATS_BUCKET_MS, STATS_BUCKETS } from '../../queue/keys.js';
import { PastBuckets } from '../../queue/past-buckets.js';
import { parseWork, readWorkReports, WorkFigures } from '../../queue/work-stats.js';
import type { RedisClient } from '../../redis/types.js';

/** Ten seconds of a queue. */
interface WorkBucket {
  total: WorkFigures;
  /** By worker id, as written: parsed they would take ten times the memory. */
  reports: Readonly<Record<string, string>>;
}

/** A queue's last minute, like `QueueStats`. */
export interface LiveWork {
  windowMs: number;
  total: WorkFigures;
  /** The newest bucket first. */
  minute: readonly WorkBucket[];
  /** Workers that did something in it, at most. */
  workers: number;
}

/** Reads the last minute of one queue again and again. */
export class WorkReader {
  private readonly past = new PastBuckets<WorkBucket>();

  async read(client: RedisClient, prefix: string, queue: string, now: number): Promise<LiveWork> {
    const minute = await this.past.last(now, STATS_BUCKETS, async (bucket) =>
      bucketOf(await readWorkReports(client, prefix, queue, bucket)),
    );
    const total = new WorkFigures();
    for (const bucket of minute) total.merge(bucket.total);
    const oldest = minute.findLastIndex((bucket) => !bucket.total.isEmpty);
    const back = oldest < 0 ? STATS_BUCKETS - 1 : oldest;
    const windowMs = Math.max(1000, back * STATS_BUCKET_MS + (now % STATS_BUCKET_MS));
    const workers = Math.max(...minute.map(({ reports }) => Object.keys(reports).length));
    return { windowMs, total, minute, workers };
  }
}

function bucketOf(reports: Record<string, string>): WorkBucket {
  const total = new WorkFigures();
  for (const json of Object.values(reports)) {
    const figures = parseWork(json);
    if (figures !== undefined) total.merge(figures);
  }
  return { total, reports };
}
