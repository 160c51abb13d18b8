import type { Batcher } from '../batch/batcher.js';
import { type MicroBatch, singleRows } from '../batch/planner.js';
import { toFailureRecord } from '../core/errors.js';
import type { RunReply } from '../model/runner.js';
import { splitRows } from '../model/tensor.js';
import { Culprits, type FailedRun } from './culprits.js';
import type { HeldJob } from './held-jobs.js';
import type { JobEndings } from './job-endings.js';
import { goodRows, rowsWith } from './run-rows.js';

/** Ends jobs, as far as runs decide it. */
export type RunEndings = Pick<
  JobEndings,
  'mayStart' | 'afterRun' | 'cancelled' | 'failed' | 'rowsOver' | 'softLimit' | 'freeInput'
>;

/** Passes what a run brought to its jobs; rows that must run again go back to the batcher. */
export class RunOutcomes {
  private readonly culprits: Culprits;

  /**
   * @param isMixed whether rows of a session were proved to mix
   * @param isHeld whether some runner that receives work holds a session
   */
  constructor(
    private readonly batcher: Batcher<HeldJob>,
    private readonly endings: RunEndings,
    private readonly isMixed: (session: string) => boolean,
    isHeld: (session: string) => boolean,
  ) {
    this.culprits = new Culprits(batcher, endings, isHeld);
  }

  /** A run failed as a whole. */
  failed(session: string, run: FailedRun): void {
    if (!this.runApart(run.batch, session)) this.culprits.blame(run);
  }

  /** A run ended. Its outputs are not used if another runner has proved in the meantime that they are wrong. */
  ran(session: string, batch: MicroBatch<HeldJob>, reply: RunReply, softMs?: number): void {
    if (!this.runApart(batch, session)) this.pass(batch, reply, softMs);
  }

  /** Puts the rows of a run back one by one if they may not share it; false if they may. */
  runApart(batch: MicroBatch<HeldJob>, session: string): boolean {
    if (batch.rows < 2 || !this.isMixed(session)) return false;
    for (const { unit } of batch.parts) if (unit.cancelled && !unit.over) this.endings.cancelled(unit);
    batch.parts = batch.parts.filter(({ unit }) => !unit.over);
    // The piece added last runs first: added in reverse, rows are output in order.
    this.batcher.retry(...singleRows(batch).reverse());
    return true;
  }

  /** Passes the outputs of a run to its jobs, and failures to the rows without one. */
  private pass(
    batch: MicroBatch<HeldJob>,
    { outputs, failed, runMs }: RunReply,
    softMs = Number.POSITIVE_INFINITY,
  ): void {
    const errors = new Map(failed.map(({ row, error }) => [row, error]));
    const good = goodRows(batch.parts, new Set(errors.keys()));
    const pieces = splitRows(
      outputs,
      good.map(({ rows }) => rows),
    );
    for (const [i, { unit, from }] of good.entries()) {
      const piece = pieces[i];
      if (!unit.over && piece !== undefined) unit.finish(from, piece);
    }
    let first = 0;
    for (const { unit, from, rows } of batch.parts) {
      const start = first;
      first += rows;
      if (unit.over) continue;
      const reached = left(unit, 'softMs') <= softMs;
      unit.runMs += runMs;
      const stopped = rowsWith(errors, 'SOFT_TIME_LIMIT', start, rows);
      try {
        const only = unit.rows === 1 ? errors.get(start) : undefined;
        if (only !== undefined && stopped.length === 0 && !unit.cancelled) {
          this.endings.failed(unit, only);
          continue;
        }
        for (let at = 0; at < rows && errors.size > 0; at++) {
          const failure = errors.get(start + at);
          if (failure !== undefined && !stopped.includes(start + at))
            unit.failRow(from + at, toFailureRecord(failure));
        }
        if (stopped.length > 0 && !unit.cancelled) {
          if (reached) {
            this.endings.softLimit(unit);
            continue;
          }
          // The signal applies to the whole run: rows of a job with time left run again.
          const parts = stopped.map((row) => ({ unit, from: from + row - start, rows: 1 }));
          this.batcher.retry({ parts, rows: parts.length, reason: 'retry' });
        }
        this.endings.afterRun(unit);
      } catch (failure) {
        // Results that cannot be combined are this job's failure, not the worker's.
        this.endings.failed(unit, failure);
      }
    }
  }
}

/** Milliseconds of run time that a job has left under one of its limits. */
function left(job: HeldJob, limit: 'hardMs' | 'softMs'): number {
  return (job.limits[limit] ?? Number.POSITIVE_INFINITY) - job.runMs;
}

/** The least time that any job of the batch has left, at least 1 ms; undefined without a limit. */
export function leastLeft(batch: MicroBatch<HeldJob>, limit: 'hardMs' | 'softMs'): number | undefined {
  const ms = Math.min(...batch.parts.map((part) => left(part.unit, limit)));
  return Number.isFinite(ms) ? Math.max(1, Math.ceil(ms)) : undefined;
}
