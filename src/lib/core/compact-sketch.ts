import { GAMMA, type Sketch } from './sketch.js';

/** Buckets from the lowest to the highest value. They decide the error: see `CompactSketch`. */
export const COMPACT_BUCKETS = 40;
/** A level at which any two values share a bucket, or nearly. */
const LEVEL_MAX = 12;

/**
 * A sketch of bounded size, for figures that are kept for days. It begins with the buckets of a `Sketch`; while
 * there are more than 40 from the lowest value to the highest, neighbours are joined in pairs, which doubles the
 * width of all (a level). So the relative error depends on how far the values lie apart: 1 % within a factor of
 * 2.1, 2 % within 4.7, 4 % within 22, 8 % within 500, 16 % within 250,000. Two of them are added at the higher of
 * their levels. The largest value is exact to six digits.
 */
export class CompactSketch {
  private level = 0;
  private buckets = new Map<number, number>();
  private values = 0;
  private most = Number.NEGATIVE_INFINITY;

  static of(sketch: Sketch): CompactSketch {
    const made = new CompactSketch();
    for (const [at, times] of sketch.sorted()) made.buckets.set(at, times);
    made.values = sketch.count;
    made.most = sketch.max ?? Number.NEGATIVE_INFINITY;
    made.fit();
    return made;
  }

  get count(): number {
    return this.values;
  }

  get max(): number | undefined {
    return this.values === 0 ? undefined : this.most;
  }

  merge(other: CompactSketch): void {
    while (this.level < other.level) this.widen();
    const shift = 2 ** (this.level - other.level);
    for (const [at, times] of other.buckets) {
      const here = Math.ceil(at / shift);
      this.buckets.set(here, (this.buckets.get(here) ?? 0) + times);
    }
    this.values += other.values;
    this.most = Math.max(this.most, other.most);
    this.fit();
  }

  /**
   * The value that a share `q` (0..1) of all values does not exceed, by nearest rank; undefined if there are
   * none.
   */
  quantile(q: number): number | undefined {
    if (this.values === 0) return undefined;
    const rank = Math.min(this.values, Math.max(1, Math.ceil(q * this.values - 1e-9)));
    if (rank === this.values) return this.most;
    const gamma = GAMMA ** (2 ** this.level);
    let seen = 0;
    for (const [at, times] of [...this.buckets].sort((a, b) => a[0] - b[0])) {
      seen += times;
      if (seen >= rank) return Math.min(this.most, (2 * gamma ** at) / (gamma + 1));
    }
    return this.most;
  }

  /** Text of about 50 characters, and 120 at most for up to 10,000 values a bucket: `decode` reads it. */
  encode(): string {
    const [first, last] = this.range();
    const counts = Array.from({ length: last - first + 1 }, (_, i) => this.buckets.get(first + i) ?? 0);
    // The first bucket has a negative number if its values are below 1.
    const numbers = this.values === 0 ? [] : [this.level, zigzag(first), ...counts];
    return `${Number(this.most.toPrecision(6))}/${varints(numbers)}`;
  }

  /** @throws TypeError when it is not what `encode` wrote. */
  static decode(text: string): CompactSketch {
    const [most = '', packed = ''] = text.split('/', 2);
    const [level, first, ...counts] = fromVarints(packed);
    const made = new CompactSketch();
    made.most = Number(most);
    const wrong =
      level === undefined || first === undefined || level > LEVEL_MAX || counts.length > COMPACT_BUCKETS;
    if (wrong || !Number.isFinite(made.most)) throw new TypeError('not a compact sketch');
    made.level = level;
    for (const [i, times] of counts.entries()) {
      if (times === 0) continue;
      made.buckets.set(unzigzag(first) + i, times);
      made.values += times;
    }
    return made;
  }

  private fit(): void {
    for (let [first, last] = this.range(); last - first >= COMPACT_BUCKETS && this.level < LEVEL_MAX; ) {
      this.widen();
      [first, last] = this.range();
    }
  }

  /** The lowest and the highest bucket. */
  private range(): [first: number, last: number] {
    let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const at of this.buckets.keys()) {
      first = Math.min(first, at);
      last = Math.max(last, at);
    }
    return this.buckets.size === 0 ? [0, 0] : [first, last];
  }

  private widen(): void {
    const wider = new Map<number, number>();
    for (const [at, times] of this.buckets) {
      const to = Math.ceil(at / 2);
      wider.set(to, (wider.get(to) ?? 0) + times);
    }
    this.buckets = wider;
    this.level += 1;
  }
}

const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);

/** Numbers of 0 or more, seven bits a byte, as base64url. */
function varints(numbers: readonly number[]): string {
  const bytes: number[] = [];
  for (const number of numbers) {
    let left = number;
    while (left >= 128) {
      bytes.push((left % 128) + 128);
      left = Math.floor(left / 128);
    }
    bytes.push(left);
  }
  return Buffer.from(bytes).toString('base64url');
}

function fromVarints(text: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let unit = 1;
  for (const byte of Buffer.from(text, 'base64url')) {
    value += (byte % 128) * unit;
    unit *= 128;
    if (byte >= 128) continue;
    numbers.push(value);
    value = 0;
    unit = 1;
  }
  return numbers;
}
