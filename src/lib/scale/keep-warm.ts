/** How the fleet managed without its n-th worker. Plain JSON. */
export interface Level {
  /** Last time it was needed, ms since the epoch; null for never. */
  readonly neededAt: number | null;
  /** Times between two needs, ms, latest last. */
  readonly gaps: readonly number[];
}

const NEVER_NEEDED: Level = { neededAt: null, gaps: [] };
const GAPS_KEPT = 12;
/** Shorter pauses belong to the same need. */
const LEAST_GAP_MS = 20_000;
/**
 * The cost of having stopped a worker that is needed again, in worker seconds: for the jobs delayed while
 * another one starts. Flat between 900 and 2,500 on the built-in traces.
 */
const REGRET_SECONDS = 1350;
/** Added per second of a cold start. */
const REGRET_BY_COLD_START = 25;
/**
 * Users who keep a spare worker care more about late jobs than about worker hours; but if the spares cover a
 * whole surge, a stopped one is missed less.
 */
const REGRET_FACTOR = { none: 1, one: 1.2, surge: 0.9 } as const;
/**
 * Assumptions before anything is known: pauses of all lengths, and as many that never end. Each counts an
 * eighth of an observed one.
 */
const NEVER = Number.POSITIVE_INFINITY;
const PRIOR_GAPS = [20, 60, 180, 540, 1620, 4860, NEVER, NEVER, NEVER, NEVER, NEVER];
const PRIOR_WEIGHT = 1 / 8;
const CHOICES = [30, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200, 1800];

/** The levels after a look at which `need` workers were needed. */
export function needed(levels: readonly Level[], need: number, now: number, max: number): Level[] {
  return Array.from({ length: max }, (_, at) => {
    const level = levels[at] ?? NEVER_NEEDED;
    if (at >= need) return level;
    const gap = level.neededAt === null ? 0 : now - level.neededAt;
    const gaps = gap >= LEAST_GAP_MS ? [...level.gaps, gap].slice(-GAPS_KEPT) : level.gaps;
    return { neededAt: now, gaps };
  });
}

/**
 * How long to keep an idle worker, ms: the time with the lowest cost over the observed pauses, where every
 * longer pause costs the regret of a later start.
 */
export function keepFor(level: Level, coldStartMs: number, spares: keyof typeof REGRET_FACTOR): number {
  const regret = REGRET_FACTOR[spares] * (REGRET_SECONDS + (REGRET_BY_COLD_START * coldStartMs) / 1000);
  let least = Number.POSITIVE_INFINITY;
  let keep = 0;
  for (const choice of CHOICES) {
    const cost = (gap: number) => Math.min(gap, choice) + (gap > choice && gap < NEVER ? regret : 0);
    let total = 0;
    for (const gap of PRIOR_GAPS) total += PRIOR_WEIGHT * cost(gap);
    for (const gap of level.gaps) total += cost(gap / 1000);
    if (total < least) {
      least = total;
      keep = choice;
    }
  }
  return keep * 1000;
}
