/** Scores of one place: `count` of them, `step` elements apart, the first at `at`. */
export interface ScorePlace {
  at: number;
  step: number;
  count: number;
}

export type Scores = ArrayLike<number | bigint>;

/** Best scores that are kept at least before the worse ones are dropped. */
const LEAST_KEPT = 64;

/**
 * The indexes of the highest scores of a place, found in one pass: the highest first, of equal ones the first
 * first. NaN ranks below every number.
 */
export class TopScores {
  private kept: number[] = [];
  /** What a score has to exceed to be among the best; equal ones come later. */
  private bar: number | bigint | undefined;

  constructor(
    private readonly scores: Scores,
    private readonly place: ScorePlace,
    private readonly most: number,
  ) {}

  /** Looks at the scores `from..to` (end excluded), which follow those that it has looked at. */
  look(from = 0, to = this.place.count): this {
    const { scores, most } = this;
    const { at, step } = this.place;
    const enough = Math.max(LEAST_KEPT, 2 * most);
    for (let index = from; index < to; index++) {
      const score = scores[at + index * step] as number | bigint;
      if (this.bar !== undefined && !(score > this.bar)) continue;
      this.kept.push(index);
      if (this.kept.length >= enough) this.trim();
    }
    return this;
  }

  get indexes(): readonly number[] {
    this.trim();
    return this.kept;
  }

  private trim(): void {
    this.kept.sort((a, b) => {
      const [left, right] = [this.scoreOf(a), this.scoreOf(b)];
      if (left > right) return -1;
      if (left < right) return 1;
      const missing = Number(isMissing(left)) - Number(isMissing(right));
      return missing === 0 ? a - b : missing;
    });
    this.kept = this.kept.slice(0, this.most);
    const worst = this.kept.at(-1);
    if (worst === undefined || this.kept.length < this.most) return;
    const bar = this.scoreOf(worst);
    // Any number is better than NaN, and greater than none.
    this.bar = isMissing(bar) ? undefined : bar;
  }

  private scoreOf(index: number): number | bigint {
    const { at, step } = this.place;
    return this.scores[at + index * step] as number | bigint;
  }
}

const isMissing = (score: number | bigint): boolean => Number.isNaN(score);

/** The index of the highest score of a place, the first of equal ones; -1 where all are NaN. */
export function topScore(scores: Scores, { at, step, count }: ScorePlace): number {
  let best = -1;
  let highest: number | bigint = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < count; index++) {
    const score = scores[at + index * step] as number | bigint;
    if (score > highest || (best < 0 && score === highest)) {
      best = index;
      highest = score;
    }
  }
  return best;
}
