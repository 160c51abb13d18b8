/** One thing that takes its turn. */
export interface Turn {
  key: string;
  /** When it was read, ms since the epoch; undefined: never. */
  readAt: number | undefined;
  /** Units of work that reading it takes. */
  cost: number;
  /** How much sooner than others it comes again, such as 4. */
  weight: number;
}

/**
 * Which things to read now, so that a second's reading costs about the same however many there are: those
 * that have waited longest, by weight, until the budget is spent. Things that were never read come first and
 * are limited by `first` instead, so that a reader knows all of them soon. Pure.
 */
export function takeTurns(
  turns: readonly Turn[],
  now: number,
  { budget, first }: { budget: number; first: number },
): string[] {
  const fresh = turns.filter(({ readAt }) => readAt === undefined).slice(0, first);
  const picked = fresh.map(({ key }) => key);
  let left = fresh.length > 0 ? 0 : budget;
  const waiting = turns
    .filter(({ readAt }) => readAt !== undefined)
    .map((turn) => ({ ...turn, urgency: (now - (turn.readAt ?? 0)) * turn.weight }))
    .sort((a, b) => b.urgency - a.urgency);
  for (const { key, cost } of waiting) {
    if (left <= 0) break;
    picked.push(key);
    left -= cost;
  }
  return picked;
}
