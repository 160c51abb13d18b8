/** How the fleet did without its n-th worker. Plain JSON. */
export interface Level {
  /** When it was needed last, ms since the epoch; null when never. */
  readonly neededAt: number | null;
  /** Times between two needs, ms, latest last. */
  readonly gaps: readonly number[];
}

const NEVER_NEEDED: Level = { neededAt: null, gaps: [] };
const GAPS_KEPT = 12;
/** Shorter pauses are part of the same need. */
const LEAST_GAP_MS = 20_000;
/**
 * What it costs to have let a worker go that is needed again, in seconds of a worker: the jobs that
 * come late while another one starts. Flat between 900 and 2,500 on the built-in traces.
 */
const REGRET_SECONDS = 1350;
/** And for each second of a cold start. */
const REGRET_BY_COLD_START = 25;
/**
 * Who keeps a worker to spare minds late jobs more than hours of a worker; but where the spares are enough
 * for a whole surge, one that goes is missed less.
 */
const REGRET_FACTOR = { none: 1, one: 1.75, surge: 0.9 } as const;
/** Before anything is known: pauses of any length, and as many that never end. Each counts an eighth of a seen one. */
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
 * How long an idle worker is kept, ms: the time that costs least over the pauses seen so far, where a
 * pause that is longer costs the regret of a start too soon after.
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
