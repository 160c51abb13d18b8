/** How long a source that is not seen is remembered: Redis may have been away, and it with it. */
const REMEMBER_MS = 3_600_000;

interface Source {
  most: Map<string, number>;
  seenAt: number;
}

/**
 * Sums of counters that many sources keep, each from zero and for as long as it lives: a sum does not
 * fall when a source goes, and does not jump when one comes back. Prometheus takes a counter that
 * falls for one that was restarted, and would count all of it again.
 * A source never starts over under the same id, so one that says less than before is not believed.
 */
export class SteadySum {
  private readonly sums = new Map<string, number>();
  private readonly sources = new Map<string, Source>();

  /**
   * Takes in what a source has counted so far, by key.
   * @param from where the source is new: `zero` counts all of it, `now` only what comes after.
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

  /** Forgets sources that have been away for an hour; what they counted stays in the sums. */
  forgetOld(now: number): void {
    for (const [id, source] of this.sources) {
      if (now - source.seenAt > REMEMBER_MS) this.sources.delete(id);
    }
  }

  /** Every sum by its key. */
  entries(): Iterable<[string, number]> {
    return this.sums;
  }
}
