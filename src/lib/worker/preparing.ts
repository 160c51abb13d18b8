import { byUrgency, type MicroBatch, type Part } from '../batch/planner.js';
import { toFailureRecord } from '../core/errors.js';
import { shapeKey } from '../model/tensor.js';
import type { PrepareJob, PreparePool } from '../prepare/prepare-pool.js';
import type { PreparedRows } from '../prepare/prepare-rows.js';
import { preparedPayload, preparedTensors, rawRows } from '../prepare/prepared-payload.js';
import type { PreparePlan } from '../task/prepare-plan.js';
import type { BatchSizes } from './batch-sizes.js';
import type { Dispatcher } from './dispatcher.js';
import type { HeldJob } from './held-jobs.js';
import type { JobEndings } from './job-endings.js';

/** The most urgent job's rows are prepared first. */
export function prepareOrder(a: PrepareJob, b: PrepareJob): number {
  return byUrgency(a as HeldJob, b as HeldJob);
}

export interface PreparingParts {
  pool: Pick<PreparePool, 'prepare' | 'size'>;
  sizes: BatchSizes;
  dispatcher: Pick<Dispatcher, 'add' | 'wake'>;
  endings: Pick<JobEndings, 'failed' | 'afterRun' | 'stage'>;
}

/**
 * Jobs whose raw rows, such as images, are being prepared: after they were taken and checked, before the dispatcher knows
 * them. Such a job is held and has not started, so it is handed back, cancelled, and ended at its deadline like one that
 * waits here for a run.
 */
export class Preparing {
  private readonly jobs = new Set<HeldJob>();

  constructor(private readonly parts: PreparingParts) {}

  /** Prepares the rows of a job and gives it to the dispatcher; rows that cannot be prepared fail. */
  async add(job: HeldJob, plan: PreparePlan): Promise<void> {
    const { endings, pool, dispatcher } = this.parts;
    this.jobs.add(job);
    try {
      const prepared = await pool.prepare(plan, rawRows(job.payload, plan), job.rows, job);
      if (job.over) return;
      this.prepared(job, plan, prepared);
    } catch (error) {
      if (!job.over) endings.failed(job, error);
    } finally {
      this.jobs.delete(job);
      // Also where nothing runs: lanes count what is being prepared.
      dispatcher.wake();
    }
  }

  /** A job that has ended is no longer counted. */
  drop(job: HeldJob): void {
    this.jobs.delete(job);
  }

  /**
   * Full runs of lanes up to `lane` that are being prepared, for comparison with a lane's prefetch. As many rows as are
   * decoded at once do not count: with one row a run, only one process would ever have work.
   */
  runsUpTo(lane: number): number {
    let runs = 0;
    let atWork = this.parts.pool.size;
    for (const { lane: own, rows, cap } of this.jobs) {
      if (own > lane) continue;
      const counted = Math.max(0, rows - atWork);
      atWork -= rows - counted;
      runs += counted / Math.max(1, cap);
    }
    return runs;
  }

  private prepared(job: HeldJob, plan: PreparePlan, { tensor, failed }: PreparedRows): void {
    const { endings, dispatcher, sizes } = this.parts;
    const [first] = failed;
    if (job.rows === 1 && first !== undefined) {
      endings.failed(job, first.error);
      return;
    }
    const made = preparedTensors(plan, tensor, job.rows);
    const payload = preparedPayload(job.payload, plan, made);
    job.prepared(payload, shapeKey(payload), sizes.capFor(job.session, payload));
    for (const { row, error } of failed) job.failRow(row, toFailureRecord(error));
    if (job.isOver) {
      endings.afterRun(job);
      return;
    }
    endings.stage(job);
    const shapes = made.find((one) => one.shapes !== undefined)?.shapes;
    if (failed.length === 0 && shapes === undefined) {
      dispatcher.add(job);
      return;
    }
    job.remaining = 0;
    dispatcher.add(job, piecesOf(job, new Set(failed.map(({ row }) => row)), shapes).reverse());
  }
}

/** The rows that can run, in runs of at most the job's cap: a run has adjacent rows only, of one shape. */
function piecesOf(
  job: HeldJob,
  failed: ReadonlySet<number>,
  shapes: readonly number[][] | undefined,
): MicroBatch<HeldJob>[] {
  const parts: Part<HeldJob>[] = [];
  for (let row = 0; row < job.rows; row++) {
    if (failed.has(row)) continue;
    const last = parts.at(-1);
    const adjacent = last !== undefined && last.from + last.rows === row && last.rows < job.cap;
    if (adjacent && shapes?.[row]?.join() === shapes?.[row - 1]?.join()) last.rows += 1;
    else parts.push({ unit: job, from: row, rows: 1 });
  }
  return parts.map((part) => ({ parts: [part], rows: part.rows, reason: 'retry' }));
}
