/**
 * Readings shared by many callers: a recent one is returned to all, also while it is still in progress.
 * Failed and outdated readings are not kept.
 */
export class Shared<T> {
  private readonly readings = new Map<string, { at: number; reading: Promise<T> }>();

  /** @param freshMs maximum age of a reading, counted from its start @param now a monotonic clock, ms */
  constructor(
    private readonly freshMs: number,
    private readonly read: (key: string) => Promise<T>,
    private readonly now: () => number,
  ) {}

  get(key: string): Promise<T> {
    const at = this.now();
    const known = this.readings.get(key);
    if (known !== undefined && at - known.at < this.freshMs) return known.reading;
    for (const [old, entry] of this.readings) if (at - entry.at >= this.freshMs) this.readings.delete(old);
    const entry = { at, reading: this.read(key) };
    this.readings.set(key, entry);
    entry.reading.catch(() => {
      if (this.readings.get(key) === entry) this.readings.delete(key);
    });
    return entry.reading;
  }
}
