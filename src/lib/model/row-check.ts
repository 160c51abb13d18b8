import { InferError } from '../core/errors.js';
import { mixesText } from './batching.js';
import { OutputRange } from './output-range.js';
import { type OutputAxes, type Outputs, proveRow } from './row-proof.js';
import { concatRows, type Payload, sliceRows } from './tensor.js';

/** Share of a model's run time available for checks. */
const SHARE = 1e-3;
/** The same for checks of runs unlike any before. */
const NEW_SHARE = 1e-2;
/** The first check is made immediately, unless runs take this long: then it waits for its share too. */
const FIRST_MS = 50;

/** Maximum runs of a check, none with more rows than the checked run: alone, again, among copies. */
const MOST_RUNS = 3;

/** How a payload is run: the model's raw outputs, in its own layout. */
export type RunRaw = (payload: Payload) => Promise<Outputs>;

/**
 * Occasionally checks, while serving, whether rows of a run have the same outputs as alone: the trial at load
 * cannot have covered all inputs. One random row of a run is run again on its own and compared as in the
 * trial. All checks after the first take at most a thousandth of the model's run time. Runs whose outputs are
 * larger than any checked before are checked as well, at most three times for each power of two.
 */
export class RowCheck {
  private ranMs = 0;
  private spentMs = 0;
  /** Expected cost of the next check; the first is assumed to cost as much as the run. */
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

  /** Milliseconds that checks took since the last call: they do not count as run time. */
  takeMs(): number {
    const ms = this.untold;
    this.untold = 0;
    return ms;
  }

  /**
   * Call after each run, with its inputs and outputs.
   * @param ms duration of the run.
   * @param leftMs remaining time limit of its jobs, which a check must not exceed.
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

  /** Whether the run shows something that no checked run has shown, and there is time to check it. */
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
        // Copies of the row itself are rows that the model accepts.
        amongOthers: () => this.run(concatRows(new Array<Payload>(payload.rows).fill(row))),
      });
    } catch {
      // A failed run of the check proves nothing, and the job's own run did not fail.
      return;
    }
    if (proof.verdict === 'unsteady') this.off = true;
    if (proof.verdict !== 'mixes') return;
    this.off = true;
    throw new InferError('ROWS_MIXED', mixesText(proof.found), {
      hint: 'say "batchable": false in its model.json, and rerun earlier requests',
    });
  }
}
