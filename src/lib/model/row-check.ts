import { InferError } from '../core/errors.js';
import { mixesText } from './batching.js';
import { type OutputAxes, type Outputs, proveRow } from './row-proof.js';
import { concatRows, type Payload, sliceRows } from './tensor.js';

/** Share of a model's run time that checks may take. */
const SHARE = 1e-3;
/** The first check is made at once, unless runs are this long: then it waits for its share too. */
const FIRST_MS = 50;

/** Runs of a check at most, none of which has more rows than the run that is checked: alone, again, among copies. */
const MOST_RUNS = 3;

/** How a payload is run: the model's raw outputs, in its own layout. */
export type RunRaw = (payload: Payload) => Promise<Outputs>;

/**
 * Looks now and then, in service, whether rows of a run are as they are alone: the trial at load cannot
 * have seen all inputs. One row of a run, chosen at random, is run again by itself and compared as in
 * the trial. All checks after the first take a thousandth of the model's run time at most.
 */
export class RowCheck {
  private ranMs = 0;
  private spentMs = 0;
  /** What the next check may cost; the first is taken to cost as much as the run. */
  private costMs: number | undefined;
  private off = false;
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
    if (payload.rows < 2 || leftMs < Math.max(this.costMs ?? 0, MOST_RUNS * ms) || !this.isDue(ms)) return;
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
    if (this.off) return false;
    if (this.costMs === undefined && ms <= FIRST_MS) return true;
    return this.spentMs + (this.costMs ?? ms) <= SHARE * this.ranMs;
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
