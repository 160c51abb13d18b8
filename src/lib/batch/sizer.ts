/** Rows of the first runs of a model that has not been measured: a heavy one may need a second for a row. */
const START_ROWS = 1;
/** Most rows of the first runs, however quick the warm-up was: zeros may run faster than real rows. */
const MOST_START_ROWS = 8;
/** Full runs measured at a size before it is judged. */
const SAMPLES = 3;
/** Weight of the newest run in the moving average. */
const NEWEST = 0.3;
/**
 * Initial estimate of a micro-batch's time besides its run: taking and settling jobs, the check for urgent
 * work, the pipe. Larger batches save this even if the model itself gains nothing.
 */
const OVERHEAD_MS = 1;
/**
 * A doubled batch must process this many times more rows per second to be worth the wait it adds to urgent
 * work.
 */
const WORTH = 1.1;
/** If half a batch takes this share of the whole one's time, rows cost next to nothing. */
const FREE = 0.8;
/** Margin of the budget above a run that cannot be shortened. */
const LENIENT = 1.2;
/** Number of judged runs after which a size that did not pay is tried again: machines and inputs change. */
const FORGET_AFTER = 200;

/** Rows of a run and its milliseconds. */
export type Timing = readonly [rows: number, ms: number];

/**
 * Determines how many rows of one model and shape to run together, from observed run times: doubles as long
 * as that processes at least 10 % more rows per second and a run stays within the latency budget, since an
 * urgent row may have to wait for one run; halves when a run exceeds the budget, unless halving does not
 * shorten it. The first size comes from the warm-up. Only full runs count. No clock, no IO.
 */
export class BatchSizer {
  private rows: number;
  /** Moving average of ms by size. */
  private readonly times = new Map<number, number>();
  private samples = 0;
  /** Sizes from here on did not pay or took too long. */
  private ceiling = Number.POSITIVE_INFINITY;
  private judged = 0;
  /** The budget in force: more than requested if no size can meet that. */
  private budget: number;
  private overheadMs = OVERHEAD_MS;

  /**
   * @param max maximum rows per run.
   * @param budgetMs longest desired run.
   * @param warm timed runs of doubled numbers of rows, smallest first; empty = start with one row.
   * @param guessed the times are estimated from another shape: they choose the first size, and rule out none.
   */
  constructor(
    private readonly max: number,
    private readonly budgetMs: number,
    warm: readonly Timing[] = [],
    guessed = false,
  ) {
    this.rows = Math.min(START_ROWS, max);
    this.budget = budgetMs;
    this.start(warm);
    if (guessed) this.ceiling = Number.POSITIVE_INFINITY;
  }

  /**
   * The largest size that the warm-up justifies by the rules of `judge`. Its times are not kept: runs that
   * serve also read inputs and process outputs.
   */
  private start(warm: readonly Timing[]): void {
    const [first] = warm;
    if (first === undefined || first[0] !== this.rows) return;
    let [rows, ms] = first;
    let beforeMs: number | undefined;
    for (const [double, doubleMs] of warm.slice(1)) {
      if (double !== rows * 2 || double > this.max) break;
      const free = ms >= FREE * doubleMs;
      if (doubleMs > this.budget && free) this.budget = doubleMs * LENIENT;
      if (doubleMs > this.budget || this.perMs(double, doubleMs) < WORTH * this.perMs(rows, ms)) {
        this.ceiling = double;
        break;
      }
      beforeMs = ms;
      [rows, ms] = [double, doubleMs];
    }
    const double = Math.min(rows * 2, this.max, MOST_START_ROWS);
    if (beforeMs !== undefined && double > rows && double < this.ceiling) {
      const doubleMs = expected(rows, ms, beforeMs, double);
      const pays = this.perMs(double, doubleMs) >= WORTH * this.perMs(rows, ms);
      if (doubleMs <= this.budget && pays) rows = double;
    }
    this.rows = Math.min(rows, this.max);
  }

  get size(): number {
    return this.rows;
  }

  /** Rows and mean ms of each size with a measurement, smallest first. */
  get measured(): [number, number][] {
    return [...this.times].sort(([a], [b]) => a - b);
  }

  /** Records a run of `rows` rows that took `ms` and, if measured, its `overheadMs`. */
  record(rows: number, ms: number, overheadMs?: number): void {
    if (overheadMs !== undefined) this.overheadMs += NEWEST * (overheadMs - this.overheadMs);
    if (rows !== this.rows) return;
    const before = this.times.get(rows);
    const average = before === undefined ? ms : before + NEWEST * (ms - before);
    this.times.set(rows, average);
    this.samples += 1;
    if (this.samples < SAMPLES) return;
    this.samples = 0;
    this.judge(average);
  }

  private judge(ms: number): void {
    this.judged += 1;
    if (this.judged % FORGET_AFTER === 0) {
      this.ceiling = Number.POSITIVE_INFINITY;
      this.budget = this.budgetMs;
    }
    const { rows } = this;
    const half = Math.max(1, Math.floor(rows / 2));
    const double = Math.min(rows * 2, this.max);
    const doubleMs = this.times.get(double);
    if (double > rows && doubleMs !== undefined && doubleMs > this.budget && ms >= FREE * doubleMs) {
      // Halving did not help: rows are nearly free, and a run takes this long whatever its size.
      this.budget = doubleMs * LENIENT;
      this.ceiling = Number.POSITIVE_INFINITY;
      this.move(double);
      return;
    }
    const halfMs = this.times.get(half);
    const tooLong = ms > this.budget;
    const idle =
      halfMs !== undefined && half < rows && this.perMs(rows, ms) < WORTH * this.perMs(half, halfMs);
    if ((tooLong || idle) && rows > 1) {
      this.ceiling = rows;
      // Longer than before: measurements of smaller sizes are out of date too.
      if (tooLong) for (const size of this.times.keys()) if (size < rows) this.times.delete(size);
      this.rows = half;
      return;
    }
    if (double === rows || double >= this.ceiling) return;
    // One row alone takes too long, and without a warm-up nothing tells whether a second would cost anything.
    const explores = tooLong && doubleMs === undefined;
    if (explores || expected(rows, ms, halfMs, double) <= this.budget) this.move(double);
  }

  private move(rows: number): void {
    this.rows = rows;
    this.times.delete(rows);
  }

  private perMs(rows: number, ms: number): number {
    return rows / (ms + this.overheadMs);
  }
}

/**
 * Expected ms of a larger run, from the last doubling: each row more costs what it cost there, or the time
 * grows by the same factor if that is more, for a model that gets slower by batching. Without a doubling,
 * twice the rows take at most twice the time.
 */
function expected(rows: number, ms: number, halfMs: number | undefined, more: number): number {
  if (halfMs === undefined || rows < 2) return (ms / rows) * more;
  const half = Math.floor(rows / 2);
  const perRow = Math.max(0, ms - halfMs) / (rows - half);
  const factor = halfMs > 0 ? ms / halfMs : 1;
  return Math.max(ms + perRow * (more - rows), factor > rows / half ? (ms * factor * more) / (2 * rows) : 0);
}
