import { InferError } from '../core/errors.js';
import { mixesText } from './batching.js';
import { OutputRange } from './output-range.js';
import { type OutputAxes, type Outputs, proveRow } from './row-proof.js';
import { concatRows, type Payload, sliceRows } from './tensor.js';

/** Share of a model's run time that checks may take. */
const SHARE = 1e-3;
/** The same for checks of runs that are unlike all those before. */
const NEW_SHARE = 1e-2;
/** The first check is made at once, unless runs are this long: then it waits for its share too. */
const FIRST_MS = 50;

/** Runs of a check at most, none of which has more rows than the run that is checked: alone, again, among copies. */
const MOST_RUNS = 3;

/** How a payload is run: the model's raw outputs, in its own layout. */
export type RunRaw = (payload: Payload) => Promise<Outputs>;

/**
 * Looks now and then, in service, whether rows of a run are as they are alone: the trial at load cannot
 * have seen all inputs. One row of a run, chosen at random, is run again by itself and compared as in
 * the trial. All checks after the first take a thousandth of the model's run time at most. Runs whose outputs are
 * larger than any that were checked are checked as well, at most three times for each power of two.
 */
export class RowCheck {
  private ranMs = 0;
  private spentMs = 0;
  /** What the next check may cost; the first is taken to cost as much as the run. */
  private costMs: number | undefined;
  private off = false;
  private readonly range = new OutputRange();
  private untold = 0;

  constructor(
    private readonly axes: OutputAxes,
    private readonly run: RunRaw,
    private readonly random: () => number = Math.random,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Milliseconds that checks took since this was asked last: they are no part of the runs. */
  takeMs(): number {
    const ms = this.untold;
    this.untold = 0;
    return ms;
  }

  /**
   * Call after each run, with what went in and came out.
   * @param ms what it took.
   * @param leftMs what is left of the time that its jobs may take: a check must not be what ends them.
   * @throws InferError ROWS_MIXED when a row is proven to depend on the other rows of its run.
   */
  async after(
    payload: Payload,
    together: Outputs,
    ms: number,
    leftMs = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    this.ranMs += ms;
    if (this.off || payload.rows < 2 || leftMs < Math.max(this.costMs ?? 0, MOST_RUNS * ms)) return;
    const first = this.costMs === undefined;
    const due = this.isDue(ms);
    if (!due && !this.isNew(together, ms)) return;
    if (first) this.range.settle(together);
    else this.range.note(together);
    const begun = this.now();
    try {
      await this.check(payload, together);
    } finally {
      const took = this.now() - begun;
      this.costMs = took;
      this.spentMs += took;
      this.untold += took;
    }
  }

  private isDue(ms: number): boolean {
    if (this.costMs === undefined && ms <= FIRST_MS) return true;
    return this.spentMs + (this.costMs ?? ms) <= SHARE * this.ranMs;
  }

  /** Whether the run shows what no checked run has shown, and there is time to look at it. */
  private isNew(together: Outputs, ms: number): boolean {
    if (this.costMs === undefined) return false;
    const affordable = ms <= FIRST_MS || this.spentMs + this.costMs <= NEW_SHARE * this.ranMs;
    return affordable && this.range.isNew(together);
  }

  private async check(payload: Payload, together: Outputs): Promise<void> {
    const at = Math.min(payload.rows - 1, Math.floor(this.random() * payload.rows));
    const row = sliceRows(payload, at, at + 1);
    let proof: Awaited<ReturnType<typeof proveRow>>;
    try {
      proof = await proveRow({
        axes: this.axes,
        alone: await this.run(row),
        together,
        at,
        again: () => this.run(row),
        // Copies of the row itself are rows that the model takes.
        amongOthers: () => this.run(concatRows(new Array<Payload>(payload.rows).fill(row))),
      });
    } catch {
      // A run of the check that fails proves nothing, and the job's own run did not.
      return;
    }
    if (proof.verdict === 'unsteady') this.off = true;
    if (proof.verdict !== 'mixes') return;
    this.off = true;
    throw new InferError('ROWS_MIXED', mixesText(proof.found), {
      hint: 'say "batchable": false in its model.json, and run again what was answered before',
    });
  }
}
