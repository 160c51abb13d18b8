/**
 * Which of many things are shown where there is an end to it. What was shown before stays for as long as it is
 * there: a counter that vanishes because something else came would look like one that was set back.
 */
export class Shown {
  private keys: ReadonlySet<string> = new Set();

  /** @param most things that are shown */
  constructor(private readonly most: number) {}

  /** Those to show, in the order of `all`. */
  choose<T>(all: readonly T[], keyOf: (one: T) => string): T[] {
    const before = all.filter((one) => this.keys.has(keyOf(one)));
    const others = all.filter((one) => !this.keys.has(keyOf(one)));
    this.keys = new Set([...before, ...others].slice(0, this.most).map(keyOf));
    return all.filter((one) => this.keys.has(keyOf(one)));
  }
}
