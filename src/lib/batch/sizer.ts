/** Rows of the first runs: small, because a heavy model may need a second for a row. */
const START_ROWS = 8;
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

/**
 * Determines how many rows of one model to run together, from observed run times: doubles as long as that
 * processes at least 10 % more rows per second and a run stays within the latency budget, since an urgent row
 * may have to wait for one run; halves when a run exceeds the budget, unless halving does not shorten it.
 * Only full runs count. No clock, no IO.
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
   */
  constructor(
    private readonly max: number,
    private readonly budgetMs: number,
  ) {
    this.rows = Math.min(START_ROWS, max);
    this.budget = budgetMs;
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
    // Based on the cost of the last doubling; without one, twice the rows take at most twice the time.
    const perRow = halfMs === undefined ? ms / rows : Math.max(0, ms - halfMs) / (rows - half || 1);
    if (ms + perRow * (double - rows) <= this.budget) this.move(double);
  }

  private move(rows: number): void {
    this.rows = rows;
    this.times.delete(rows);
  }

  private perMs(rows: number, ms: number): number {
    return rows / (ms + this.overheadMs);
  }
}
