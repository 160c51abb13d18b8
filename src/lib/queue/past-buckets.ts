import { STATS_BUCKET_MS } from './keys.js';

/** Workers write a bucket with their next heartbeat, each second: so long after its end nothing changes in it, ms. */
const SETTLED_MS = 4000;

/**
 * The ten-second buckets of one queue that are over: a reader that reads them every second fetches each of
 * them once. A worker that could not write for longer than a few seconds is missing in what is kept.
 */
export class PastBuckets<T> {
  private readonly kept = new Map<number, T>();

  /**
   * The last `count` buckets, the newest first; fetches those that are not kept.
   * @param now by Redis's clock, ms since the epoch
   */
  last(now: number, count: number, fetch: (bucket: number) => Promise<T>): Promise<T[]> {
    const newest = Math.floor(now / STATS_BUCKET_MS);
    for (const bucket of this.kept.keys()) {
      if (bucket <= newest - count || bucket > newest) this.kept.delete(bucket);
    }
    return Promise.all(
      Array.from({ length: count }, async (_, back) => {
        const bucket = newest - back;
        const known = this.kept.get(bucket);
        if (known !== undefined) return known;
        const found = await fetch(bucket);
        if (now >= (bucket + 1) * STATS_BUCKET_MS + SETTLED_MS) this.kept.set(bucket, found);
        return found;
      }),
    );
  }
}
