/**
 * Chooses which of many things are shown when their number is limited. Those shown before stay as long as
 * they exist: a counter that disappears because something else was added would look like one that was reset.
 */
export class Shown {
  private keys: ReadonlySet<string> = new Set();

  /** @param most maximum number shown */
  constructor(private readonly most: number) {}

  /** The ones to show, in the order of `all`. */
  choose<T>(all: readonly T[], keyOf: (one: T) => string): T[] {
    const before = all.filter((one) => this.keys.has(keyOf(one)));
    const others = all.filter((one) => !this.keys.has(keyOf(one)));
    this.keys = new Set([...before, ...others].slice(0, this.most).map(keyOf));
    return all.filter((one) => this.keys.has(keyOf(one)));
  }
}
