/**
 * How long a source that is not seen is remembered: Redis, and the source with it, may have been unreachable.
 */
const REMEMBER_MS = 3_600_000;

interface Source {
  most: Map<string, number>;
  seenAt: number;
}

/**
 * Sums of counters kept by many sources, each from zero and for its lifetime: a sum does not fall when a
 * source disappears, and does not jump when it reappears. Prometheus treats a counter that falls as
 * restarted, and would count all of it again. A source never starts over under the same id, so a lower value
 * than before is ignored.
 */
export class SteadySum {
  private readonly sums = new Map<string, number>();
  private readonly sources = new Map<string, Source>();

  /**
   * Adds what a source has counted so far, by key.
   * @param from for a new source: `zero` counts everything, `now` only what comes later.
   */
  update(source: string, counts: ReadonlyMap<string, number>, now: number, from: 'zero' | 'now'): void {
    const known = this.sources.get(source);
    const most = known?.most ?? new Map<string, number>();
    for (const [key, value] of counts) {
      const before = most.get(key) ?? (known === undefined && from === 'now' ? value : 0);
      this.sums.set(key, (this.sums.get(key) ?? 0) + Math.max(0, value - before));
      most.set(key, Math.max(before, value));
    }
    this.sources.set(source, { most, seenAt: now });
  }

  /** Forgets sources that have been missing for an hour; what they counted stays in the sums. */
  forgetOld(now: number): void {
    for (const [id, source] of this.sources) {
      if (now - source.seenAt > REMEMBER_MS) this.sources.delete(id);
    }
  }

  /** Every sum with its key. */
  entries(): Iterable<[string, number]> {
    return this.sums;
  }
}
