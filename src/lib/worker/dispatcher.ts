import { Batcher } from '../batch/batcher.js';
import { type CloseReason, type MicroBatch, singleRows } from '../batch/planner.js';
import { settledWithin } from '../core/bounded.js';
import { type Clock, monotonicClock } from '../core/clock.js';
import { InferError, toFailureRecord } from '../core/errors.js';
import { WakeUp } from '../core/wake-up.js';
import type { RunReply } from '../model/runner.js';
import { splitRows } from '../model/tensor.js';
import { Culprits } from './culprits.js';
import type { HeldJob } from './held-jobs.js';
import type { JobEndings } from './job-endings.js';
import { RunClock } from './run-clock.js';
import { checkRows, goodRows, isOwnFailure, rowsWith } from './run-rows.js';
import type { RunnerSlot } from './runner-slot.js';

/** Ends jobs, as far as runs decide it. */
export type RunEndings = Pick<
  JobEndings,
  'mayStart' | 'afterRun' | 'cancelled' | 'failed' | 'rowsOver' | 'softLimit'
>;

/** What the dispatcher needs from its worker. */
export interface DispatchHost {
  /** Fetches jobs more urgent than `unit` before its micro-batch is run. */
  urge(unit: HeldJob): Promise<void>;
  /** A micro-batch is about to run: queue of its most urgent row, model, rows, why it was closed. */
  onBatch(queue: string, model: string, rows: number, reason: CloseReason): void;
  /**
   * A run of rows like those of this job took `ms`; `overheadMs` is the time between it and the run before, if that immediately preceded.
   */
  onRan(like: HeldJob, rows: number, ms: number, overheadMs: number | undefined): void;
  /** A check while serving proved that rows of this session mix: from now on they run one at a time. */
  onMixed(session: string, error: InferError): void;
  /** Whether that was proved. */
  isMixed(session: string): boolean;
  /** Rows left the batcher, or a runner is idle: lanes may fetch again. */
  onRoom(): void;
  /** The models held by a runner may have changed. */
  onModels(): void;
}

/**
 * Runs micro-batches: one loop per runner takes the most urgent next batch as soon as the runner is free.
 * Invariant: a job never waits for more than one running micro-batch of less urgent work, because each batch
 * is planned only when it can run, after checking for more urgent jobs. A failed batch is split and run again
 * until the culprit is isolated.
 */
export class Dispatcher {
  private readonly batcher: Batcher<HeldJob>;
  private readonly culprits: Culprits;
  private readonly work = new WakeUp();
  /** When each runner's last run ended, if it has been busy since. */
  private readonly lastEnd = new Map<RunnerSlot, number>();
  private stopping = false;
  private readonly loops = new Map<RunnerSlot, Promise<void>>();
  private readonly retired = new Set<RunnerSlot>();
  private readonly inRun = new Map<RunnerSlot, MicroBatch<HeldJob>>();
  /** Which runners are working, and how long runs take. */
  readonly clocked = new RunClock(monotonicClock);
  /** Micro-batches run so far. */
  batches = 0;

  constructor(
    windowMs: number,
    private readonly host: DispatchHost,
    private readonly endings: RunEndings,
    private readonly clock: Clock,
  ) {
    this.batcher = new Batcher(windowMs);
    this.culprits = new Culprits(this.batcher, endings, (session) => this.isHeld(session));
  }

  /** Starts giving work to a runner. */
  serve(slot: RunnerSlot): void {
    // What it may run has changed, and so has what other runners may leave to it.
    slot.onModels = () => {
      this.work.wake();
      this.host.onModels();
    };
    if (!this.loops.has(slot)) this.loops.set(slot, this.loop(slot));
  }

  /** Gives a runner no more work; resolves when its run in progress is over. */
  async retire(slot: RunnerSlot): Promise<void> {
    this.retired.add(slot);
    this.work.wake();
    await this.loops.get(slot);
    this.loops.delete(slot);
    this.retired.delete(slot);
    this.clocked.rest(slot);
  }

  /** Resolves when `stop` has been called and the runs in progress are over. */
  async over(): Promise<void> {
    await Promise.all(this.loops.values());
  }

  /** @param pieces the only rows of it that can run, each piece in a run of its own, the last one first [all]. */
  add(job: HeldJob, pieces?: MicroBatch<HeldJob>[]): void {
    if (pieces === undefined) this.batcher.add(job);
    else this.batcher.retry(...pieces);
  }

  /** Makes idle runners look for work; call once after adding. */
  wake(): void {
    this.work.wake();
  }

  /** Drops the waiting rows of a job; the caller must ignore its rows in a run. */
  withdraw(job: HeldJob): void {
    this.batcher.drop(job);
  }

  /** Full runs waiting in lanes up to `lane`: compared with a lane's prefetch. */
  runsUpTo(lane: number): number {
    return this.batcher.runsUpTo(lane);
  }

  /** Number of runners with a run in progress. */
  get running(): number {
    return this.inRun.size;
  }

  isRunning(slot: RunnerSlot): boolean {
    return this.inRun.has(slot);
  }

  /** Jobs with rows in a run in progress. */
  get runningJobs(): ReadonlySet<HeldJob> {
    return new Set([...this.inRun.values()].flatMap((batch) => batch.parts.map((part) => part.unit)));
  }

  /** Ends the runs that contain rows of `job`; the other jobs in them run again at once. */
  abortRunsOf(job: HeldJob): void {
    for (const [slot, batch] of this.inRun) {
      if (batch.parts.some((part) => part.unit === job)) slot.abort();
    }
  }

  stop(): void {
    this.stopping = true;
    this.work.wake();
  }

  private isOver(slot: RunnerSlot): boolean {
    return this.stopping || this.retired.has(slot);
  }

  private async loop(slot: RunnerSlot): Promise<void> {
    let cameFromIdle = true;
    while (!this.isOver(slot)) {
      const woken = this.work.wait();
      if (this.batcher.isEmpty) {
        cameFromIdle = true;
        this.clocked.rest(slot);
        this.lastEnd.delete(slot);
        // Nothing may be prefetched during a long run: until now, the next jobs have been waiting in Redis.
        this.host.onRoom();
        await woken;
        continue;
      }
      // A restarting runner needs as long as its models take to load: the batch is planned only then, from
      // the most urgent work at that time, without jobs whose deadline has passed in the meantime.
      if (!slot.isFree) {
        this.lastEnd.delete(slot);
        // A runner that fails to restart fails its next run, which says why.
        await slot.free().catch(() => undefined);
        cameFromIdle = false;
        if (slot.isFree) continue;
      }
      // Work that arrived during the last run has been held since then; something more urgent may have
      // arrived in Redis later. After idling, everything held was fetched just now.
      const accepts = this.acceptedBy(slot);
      const last = this.batcher.leastUrgentOfNext(accepts);
      if (!cameFromIdle && last !== undefined) await this.host.urge(last);
      cameFromIdle = false;
      if (this.retired.has(slot)) break;
      const next = this.batcher.next(this.clock.now(), accepts);
      if (next === undefined) {
        if (accepts !== undefined) await woken;
        continue;
      }
      if ('holdMs' in next) {
        this.clocked.rest(slot);
        // Until the end of the batch window, or until more work arrives.
        await settledWithin(next.holdMs, woken);
        continue;
      }
      await this.runBatch(slot, next.batch);
    }
  }

  /** What a runner that lacks a model may run: jobs of that model go to runners that have it, if any. */
  private acceptedBy(slot: RunnerSlot): ((unit: HeldJob) => boolean) | undefined {
    if (slot.refused.size === 0) return undefined;
    return ({ session }) => slot.has(session) || !this.isHeld(session);
  }

  /** Whether some runner that receives work holds a session. */
  private isHeld(session: string): boolean {
    return [...this.loops.keys()].some((slot) => slot.has(session) && !this.retired.has(slot));
  }

  private async runBatch(slot: RunnerSlot, batch: MicroBatch<HeldJob>): Promise<void> {
    // Asked before every run until the job was in a run that ended, or had one alone: a crash in a shared run
    // may have come before its turn.
    batch.parts = batch.parts.filter(({ unit }) => !unit.over && (unit.ran || this.endings.mayStart(unit)));
    this.host.onRoom();
    const first = batch.parts[0];
    if (first === undefined) return;
    batch.rows = batch.parts.reduce((sum, part) => sum + part.rows, 0);
    const model = first.unit.session;
    // Planned before its rows were found to mix.
    if (this.runApart(batch, model)) return;
    const now = this.clock.now();
    for (const { unit } of batch.parts) {
      unit.startedAt ??= now;
      unit.device = slot.deviceOf(model);
      unit.ran ||= batch.parts.length === 1;
    }
    this.batches += 1;
    const { queue, model: name } = first.unit.job.spec;
    this.host.onBatch(queue, name, batch.rows, batch.reason);
    const limitMs = leastLeft(batch, 'hardMs');
    const softMs = leastLeft(batch, 'softMs');
    let reply: RunReply;
    this.inRun.set(slot, batch);
    this.clocked.begin(slot, name);
    try {
      const parts = batch.parts.map(({ unit, from, rows }) => unit.rowsAt(from, rows));
      const traced = batch.parts.some(({ unit }) => unit.job.trace !== undefined);
      reply = await slot.run({ model, parts, softMs, ...(traced ? { traced } : {}) }, limitMs);
      checkRows(reply, batch);
    } catch (error) {
      this.inRun.delete(slot);
      this.clocked.end(slot);
      this.lastEnd.delete(slot);
      if (error instanceof InferError && error.code === 'ROWS_MIXED') this.host.onMixed(model, error);
      // When rows shared a run it is not yet known which one failed; a row that crashed the runner has had it
      // replaced.
      if (batch.rows === 1 && isOwnFailure(error)) slot.judge(model, false, [first.unit.id]);
      if (!this.runApart(batch, model))
        this.culprits.blame({
          batch,
          error,
          ms: slot.lastRunMs,
          limitMs: limitMs ?? Number.POSITIVE_INFINITY,
        });
      // Another runner may be able to run what this one lacked, and may be asleep because it saw nothing to
      // do.
      this.work.wake();
      this.host.onRoom();
      return;
    }
    this.inRun.delete(slot);
    this.clocked.end(slot);
    const end = performance.now();
    const previous = this.lastEnd.get(slot);
    this.host.onRan(
      first.unit,
      batch.rows,
      reply.runMs,
      previous === undefined ? undefined : end - previous - reply.runMs,
    );
    this.lastEnd.set(slot, end);
    for (const { unit } of batch.parts) {
      unit.ran = true;
      if (unit.job.trace !== undefined) Object.assign(unit.job.trace, reply.trace);
    }
    slot.judge(
      model,
      reply.failed.length < batch.rows,
      reply.failed.some(({ error }) => isOwnFailure(error)) ? batch.parts.map(({ unit }) => unit.id) : [],
    );
    // Another runner has proved in the meantime that such outputs are wrong.
    if (!this.runApart(batch, model)) this.onRan(batch, reply, softMs);
  }

  /** Puts the rows of a run back one by one if they may not share it; false if they may. */
  private runApart(batch: MicroBatch<HeldJob>, session: string): boolean {
    if (batch.rows < 2 || !this.host.isMixed(session)) return false;
    for (const { unit } of batch.parts) if (unit.cancelled && !unit.over) this.endings.cancelled(unit);
    batch.parts = batch.parts.filter(({ unit }) => !unit.over);
    // The piece added last runs first: added in reverse, rows are output in order.
    this.batcher.retry(...singleRows(batch).reverse());
    return true;
  }

  /** Passes the outputs of a run to its jobs, and failures to the rows without one. */
  private onRan(
    batch: MicroBatch<HeldJob>,
    { outputs, failed, runMs }: RunReply,
    softMs = Number.POSITIVE_INFINITY,
  ): void {
    const errors = new Map(failed.map(({ row, error }) => [row, error]));
    const good = goodRows(batch.parts, new Set(errors.keys()));
    const counts = good.map(({ rows }) => rows);
    const pieces = splitRows(outputs, counts);
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
function leastLeft(batch: MicroBatch<HeldJob>, limit: 'hardMs' | 'softMs'): number | undefined {
  const ms = Math.min(...batch.parts.map((part) => left(part.unit, limit)));
  return Number.isFinite(ms) ? Math.max(1, Math.ceil(ms)) : undefined;
}
