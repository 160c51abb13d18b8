import type { Batcher } from '../batch/batcher.js';
import { bisect, type MicroBatch, type Part, singleRows } from '../batch/planner.js';
import { type ErrorCode, hasTrait } from '../core/error-table.js';
import { InferError, toFailureRecord } from '../core/errors.js';
import type { HeldJob } from './held-jobs.js';
import type { JobEndings } from './job-endings.js';
import { isCurable } from './retry.js';

/** Ends jobs, as far as failed runs decide it. */
type Endings = Pick<JobEndings, 'afterRun' | 'cancelled' | 'failed' | 'rowsOver'>;

/** A run that failed. */
export interface FailedRun {
  batch: MicroBatch<HeldJob>;
  error: unknown;
  /** Milliseconds it took. */
  ms: number;
  /** Its time limit in ms; infinite without a limit. */
  limitMs: number;
}

/**
 * Finds the rows that made a run fail. A single row is to blame: it fails. Otherwise the run is split and its
 * pieces run again, each on its own: in halves, by jobs and then by rows, or row by row if many are bad. In
 * the end every good row has its output, for at most one more run per row if all are bad, and about
 * log2(rows) runs for one bad row. Between any two of those runs, urgent work goes first and limits are
 * checked. Crashes cost more than failed runs, so a job may cause only a limited number (see held.ts).
 */
export class Culprits {
  constructor(
    private readonly batcher: Pick<Batcher<HeldJob>, 'retry'>,
    private readonly endings: Endings,
    /** Whether some runner that receives work holds a session. */
    private readonly isHeld: (session: string) => boolean,
  ) {}

  blame({ batch, error, ms, limitMs }: FailedRun): void {
    const [first] = batch.parts;
    // In a run of several jobs, the time may be due to another job.
    if (batch.parts.length === 1 && first !== undefined && !first.unit.over) first.unit.runMs += ms;
    for (const { unit } of batch.parts) {
      if (!unit.cancelled || unit.over) continue;
      if (batch.parts.length > 1) unit.runMs += ms;
      this.endings.cancelled(unit);
    }
    batch.parts = batch.parts.filter(({ unit }) => !unit.over);
    batch.rows = batch.parts.reduce((sum, part) => sum + part.rows, 0);
    const [only] = batch.parts;
    if (only === undefined) return;
    const code = error instanceof InferError ? error.code : 'RUN_FAILED';
    const notHeld = hasTrait(code, 'not-held');
    if (code === 'RUN_ABORTED') this.batcher.retry(batch);
    else if (notHeld && this.isHeld(only.unit.session)) this.batcher.retry(batch);
    else if (code === 'MODEL_REPLACED' || notHeld)
      for (const { unit } of batch.parts) this.endings.failed(unit, error);
    else if (code === 'TIME_LIMIT') this.onTimeLimit(batch, error, ms, limitMs);
    else if (isCurable(code) && batch.parts.length === 1 && only.unit.rows > 1 && only.unit.crashed())
      this.giveUp(only.unit, error, code);
    else if (batch.rows === 1) this.onRowFailed(only, error, code);
    else this.cutAgain(batch);
  }

  private cutAgain(batch: MicroBatch<HeldJob>): void {
    const [only] = batch.parts;
    const oneByOne = batch.parts.length === 1 && only?.unit.isMostlyBad;
    // The piece added last runs first: added in reverse, rows are output in order.
    this.batcher.retry(...(oneByOne ? singleRows(batch).reverse() : bisect(batch)));
    for (const { unit } of batch.parts) this.endings.afterRun(unit);
  }

  /**
   * A job whose own limit was reached fails if it ran alone or was the only such job; otherwise, halving
   * finds out.
   */
  private onTimeLimit(batch: MicroBatch<HeldJob>, error: unknown, ms: number, limitMs: number): void {
    const reached = batch.parts.filter(({ unit }) => {
      const alreadyCounted = batch.parts.length === 1 ? ms : 0;
      return (unit.limits.hardMs ?? Number.POSITIVE_INFINITY) - (unit.runMs - alreadyCounted) <= limitMs;
    });
    if (reached.length > 1) {
      this.batcher.retry(...bisect(batch));
      return;
    }
    const innocent = batch.parts.filter((part) => !reached.includes(part));
    for (const { unit } of reached) {
      if (batch.parts.length > 1) unit.runMs += ms;
      this.endings.failed(unit, error);
    }
    this.batcher.retry({ parts: innocent, rows: 0, reason: 'retry' });
  }

  private onRowFailed(part: Part<HeldJob>, error: unknown, code: ErrorCode): void {
    const { unit, from } = part;
    if (unit.rows === 1) {
      this.endings.failed(unit, error);
      return;
    }
    if (isCurable(code) && unit.mayTryAgain(from)) {
      this.batcher.retry({ parts: [part], rows: 1, reason: 'retry' });
      return;
    }
    unit.failRow(from, toFailureRecord(error), true);
    this.endings.afterRun(unit);
  }

  /**
   * Rows that crashed the runner so often that the rest of the job is not tried: otherwise no other job could
   * run.
   */
  private giveUp(unit: HeldJob, error: unknown, code: ErrorCode): void {
    if (unit.doneCount === 0) {
      this.endings.failed(unit, error);
      return;
    }
    unit.failRest({
      code,
      message: "it was not run again: rows of its job had ended the model's process too often",
      hint: 'submit it again without the rows that failed',
    });
    this.endings.rowsOver(unit);
  }
}
