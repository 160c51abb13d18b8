/** Buckets back from the newest that may still change: workers write theirs with the next heartbeat. */
const OPEN_BUCKETS = 2;

/**
 * The buckets of one queue that are over: a reader that reads them every second fetches each of them once. A
 * worker that could not write for longer than ten seconds is missing in what is kept.
 */
export class PastBuckets<T> {
  private readonly kept = new Map<number, T>();

  /** The last `count` buckets, the newest first; fetches those that are not kept. */
  last(newest: number, count: number, fetch: (bucket: number) => Promise<T>): Promise<T[]> {
    for (const bucket of this.kept.keys()) {
      if (bucket <= newest - count || bucket > newest) this.kept.delete(bucket);
    }
    return Promise.all(
      Array.from({ length: count }, async (_, back) => {
        const bucket = newest - back;
        const known = this.kept.get(bucket);
        if (known !== undefined) return known;
        const found = await fetch(bucket);
        if (back >= OPEN_BUCKETS) this.kept.set(bucket, found);
        return found;
      }),
    );
  }
}
