/** Digits count as numbers: `img2` before `img10`. The same on every machine, whatever its language. */
const COLLATOR = new Intl.Collator('en', { numeric: true });

/** Compares two names as people order them; names that only look alike are ordered by their characters. */
export function byName(a: string, b: string): number {
  return COLLATOR.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}
