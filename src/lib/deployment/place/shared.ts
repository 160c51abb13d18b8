/**
 * Readings that many callers share: one that is young enough is given to all, also while it is still under way. Keeps no
 * reading that has failed, and none that is older.
 */
export class Shared<T> {
  private readonly readings = new Map<string, { at: number; reading: Promise<T> }>();

  /**
   * @param freshMs the age up to which a reading is given away, counted from when it began
   * @param now a clock that does not jump, ms
   */
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
