import { settledWithin } from '../../core/bounded.js';
import type { Clock } from '../../core/clock.js';
import type { Priority } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { queueTag, requestKey, statsKey } from '../keys.js';
import { STATS, STATS_TTL } from '../wire.js';
import { bucketAt } from '../work-stats.js';
import { requestToken, writeOnce } from './once.js';

/** Counts are sent to Redis at most once per this time. */
const FLUSH_MS = 1000;
/**
 * A repeat sent later than this counts twice; every client creates a request key per second and queue, which
 * lives this long.
 */
const REMEMBERED_SECONDS = 60;

/**
 * Counts the jobs this client adds to each queue, in the queue's ten-second buckets: the arrival rate that
 * `inspect` compares with the completion rate, and by priority, for the ETA of waiting jobs. The first count is sent at once, without delaying the caller,
 * so it is not lost when the client only submits one job; later counts are sent once a second. Only `close`
 * ever waits for it, and if Redis refuses it (because it is full, for example) the figure is merely too low.
 */
export class Arrivals {
  /** Jobs by key of their bucket: all, and those of each priority that is known. */
  private readonly counts = new Map<string, { tag: string; jobs: number; of: Map<Priority, number> }>();
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> = Promise.resolve();
  private flushedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    private readonly clock: Clock,
  ) {}

  /** @param priorities of the jobs, where they are known. */
  add(queue: string, jobs: number, priorities: readonly Priority[] = []): void {
    if (jobs <= 0) return;
    const now = this.clock.now();
    const tag = queueTag(this.prefix, queue);
    const key = statsKey(tag, bucketAt(now));
    const counts = this.counts.get(key) ?? { tag, jobs: 0, of: new Map<Priority, number>() };
    counts.jobs += jobs;
    for (const priority of priorities) counts.of.set(priority, (counts.of.get(priority) ?? 0) + 1);
    this.counts.set(key, counts);
    if (this.timer !== undefined) return;
    const waitMs = this.flushedAt + FLUSH_MS - now;
    // A clock that was set back must not hold the figures for longer than a second either.
    if (waitMs <= 0) this.flush();
    else this.timer = setTimeout(() => this.flush(), Math.min(waitMs, FLUSH_MS)).unref();
  }

  /** Sends what is left and waits for it, at most a second: Redis may never come back. */
  async close(patienceMs = FLUSH_MS): Promise<void> {
    this.flush();
    await settledWithin(patienceMs, this.sending);
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.counts.size === 0) return;
    this.flushedAt = this.clock.now();
    const writes = [...this.counts].flatMap(([key, { tag, jobs, of }]) => {
      const fields = [...of].map(([priority, some]) => [STATS.addedOf + String(priority), some] as const);
      return [[STATS.added, jobs] as const, ...fields].map(([field, some]) =>
        writeOnce(
          this.client,
          requestKey(tag, requestToken()),
          ['HINCRBY', key, field, some],
          STATS_TTL,
          REMEMBERED_SECONDS,
        ),
      );
    });
    this.counts.clear();
    this.sending = Promise.all([this.sending, Promise.allSettled(writes)]).then(() => undefined);
  }
}
