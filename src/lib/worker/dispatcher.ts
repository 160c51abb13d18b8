import { Batcher } from '../batch/batcher.js';
import { type CloseReason, isLower, type MicroBatch } from '../batch/planner.js';
import { settledWithin } from '../core/bounded.js';
import type { Clock } from '../core/clock.js';
import { InferError } from '../core/errors.js';
import { type HostTime, hostTime } from '../core/host-time.js';
import { WakeUp } from '../core/wake-up.js';
import type { RunReply } from '../model/runner.js';
import type { Ahead, BegunRun } from './ahead.js';
import { HandOvers } from './hand-overs.js';
import type { HeldJob } from './held-jobs.js';
import { type RunEndings, RunOutcomes } from './run-outcomes.js';
import { checkRows, isOwnFailure } from './run-rows.js';
import type { RunnerSlot } from './runner-slot.js';
import { firstOf, Runs } from './runs.js';

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
  /** Since when a take has been in progress, by `hostClock`; undefined when none is. */
  takingSince(): number | undefined;
  /** Rows that a runner had came back without having run. */
  onReturned(): void;
}

/**
 * Runs micro-batches: one loop per runner takes the most urgent next batch as soon as the runner is free, or
 * hands it over shortly before (`Ahead`). Invariant: a job never waits for more than one running micro-batch of
 * less urgent work, because each batch begins right after a check for more urgent jobs. A failed batch is split
 * and run again until the culprit is isolated.
 */
export class Dispatcher {
  private readonly batcher: Batcher<HeldJob>;
  private readonly outcomes: RunOutcomes;
  private readonly ahead: HandOvers;
  private readonly work = new WakeUp();
  /** When each runner's last run ended, if it has been busy since. */
  private readonly lastEnd = new Map<RunnerSlot, number>();
  private stopping = false;
  private readonly loops = new Map<RunnerSlot, Promise<void>>();
  private readonly retired = new Set<RunnerSlot>();
  readonly runs: Runs;

  constructor(
    windowMs: number,
    private readonly host: DispatchHost,
    endings: RunEndings,
    private readonly clock: Clock,
    private readonly time: HostTime = hostTime,
  ) {
    this.batcher = new Batcher(windowMs);
    this.runs = new Runs(clock, time);
    this.outcomes = new RunOutcomes(
      this.batcher,
      endings,
      (session) => host.isMixed(session),
      (session) => this.isHeld(session),
    );
    this.ahead = new HandOvers({
      batcher: this.batcher,
      runs: this.runs,
      outcomes: this.outcomes,
      endings,
      clock,
      time,
      urge: (unit) => host.urge(unit),
      accepts: (slot) => this.acceptedBy(slot),
      isOver: (slot) => this.isOver(slot),
      begins: (slot, batch, sentAt) => {
        this.begins(slot, batch, sentAt);
        host.onRoom();
      },
      returned: () => {
        host.onReturned();
        this.wake();
      },
    });
  }

  /** Starts giving work to a runner. */
  serve(slot: RunnerSlot): void {
    // What it may run has changed, and so has what other runners may leave to it.
    slot.onModels = () => {
      this.wake();
      this.host.onModels();
    };
    if (this.loops.has(slot)) return;
    this.runs.meter.join(slot, this.time.now());
    this.loops.set(slot, this.loop(slot));
  }

  /** Gives a runner no more work; resolves when its run in progress is over. */
  async retire(slot: RunnerSlot): Promise<void> {
    this.retired.add(slot);
    this.wake();
    await this.loops.get(slot);
    this.loops.delete(slot);
    this.retired.delete(slot);
    this.runs.clocked.rest(slot);
    this.runs.meter.leave(slot);
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

  /** Makes runners look for work; call once after adding. */
  wake(): void {
    this.work.wake();
    this.ahead.consider();
  }

  /** Drops the waiting rows of a job; the caller must ignore its rows in a run. */
  withdraw(job: HeldJob): void {
    this.batcher.drop(job);
    this.ahead.consider(job);
  }

  /**
   * Full runs waiting in lanes up to `lane`, those that a runner has and has not begun included: compared with
   * a lane's prefetch.
   */
  runsUpTo(lane: number): number {
    return this.batcher.runsUpTo(lane) + this.ahead.runsUpTo(lane);
  }

  /** Number of runners with a run in progress, or about to begin one that they have. */
  get running(): number {
    return this.runs.size + this.ahead.between;
  }

  /** Whether a runner has rows of this job in a micro-batch that has not begun. */
  isHandedOver(job: HeldJob): boolean {
    return this.ahead.has(job);
  }

  /**
   * Takes micro-batches with rows of these jobs back from runners that have not begun them; `onReturned` says
   * when one is back.
   */
  takeBack(matches: (job: HeldJob) => boolean): void {
    this.ahead.takeBack(matches);
  }

  /** Ends the runs that contain rows of `job`; the other jobs in them run again at once. */
  abortRunsOf(job: HeldJob): void {
    for (const slot of this.runs.withRowsOf(job)) slot.abort();
  }

  stop(): void {
    this.stopping = true;
    this.wake();
  }

  private isOver(slot: RunnerSlot): boolean {
    return this.stopping || this.retired.has(slot);
  }

  private async loop(slot: RunnerSlot): Promise<void> {
    let cameFromIdle = true;
    while (!this.isOver(slot)) {
      const woken = this.work.wait();
      if (this.batcher.isEmpty) {
        const { reused } = this.batcher;
        this.runs.clocked.rest(slot);
        this.lastEnd.delete(slot);
        // Nothing may be prefetched during a long run: until now, the next jobs have been waiting in Redis.
        this.host.onRoom();
        await this.idle(slot, woken);
        // What came back was fetched long before.
        cameFromIdle = this.batcher.reused === reused;
        continue;
      }
      // A restarting runner needs as long as its models take to load: the batch is planned only then, from
      // the most urgent work at that time, without jobs whose deadline has passed in the meantime.
      if (!slot.isFree) {
        this.lastEnd.delete(slot);
        // A runner that fails to restart fails its next run, which says why.
        const since = this.time.now();
        await slot.free().catch(() => undefined);
        this.runs.meter.spent(slot, 'restart', since, this.time.now());
        cameFromIdle = false;
        if (slot.isFree) continue;
      }
      // Work that arrived during the last run has been held since then; something more urgent may have
      // arrived in Redis later. After idling, everything held was fetched just now.
      const accepts = this.acceptedBy(slot);
      const last = this.batcher.leastUrgentOfNext(accepts);
      if (!cameFromIdle && last !== undefined) {
        const sentAt = this.time.now();
        await this.host.urge(last);
        this.ahead.looked(slot, sentAt);
        // What the look was for may have ended meanwhile: less urgent work needs a look of its own.
        const now = this.batcher.leastUrgentOfNext(accepts);
        if (now !== undefined && isLower(now, last) && !this.retired.has(slot)) continue;
      }
      cameFromIdle = false;
      if (this.retired.has(slot)) break;
      const back = this.reclaim(slot, accepts);
      if (back !== undefined) {
        await back;
        continue;
      }
      const next = this.batcher.next(this.clock.now(), accepts);
      if (next === undefined) {
        if (accepts !== undefined) await this.idle(slot, woken);
        continue;
      }
      if ('holdMs' in next) {
        this.runs.clocked.rest(slot);
        // Until the end of the batch window, or until more work arrives.
        await this.idle(slot, settledWithin(next.holdMs, woken));
        continue;
      }
      await this.runBatch(slot, next.batch);
    }
  }

  /** Resolves when more urgent work is back from runners that are still busy; undefined when they have none. */
  private reclaim(slot: RunnerSlot, accepts?: (unit: HeldJob) => boolean): Promise<unknown> | undefined {
    const from = this.time.now();
    const back = this.ahead.reclaim(slot, () => this.batcher.firstOfNext(accepts));
    return back?.then(() => this.runs.meter.spent(slot, 'look', from, this.time.now()));
  }

  /** Waits for work. What a take needs to bring it is not idle time. */
  private async idle(slot: RunnerSlot, woken: Promise<unknown>): Promise<void> {
    const from = this.time.now();
    await this.ahead.idle(slot, woken);
    const to = this.time.now();
    const taking = Math.min(Math.max(this.host.takingSince() ?? to, from), to);
    this.runs.meter.spent(slot, 'idle', from, taking);
    this.runs.meter.spent(slot, 'take', taking, to);
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

  /** Runs a micro-batch, and those that are handed over while it and they run. */
  private async runBatch(slot: RunnerSlot, batch: MicroBatch<HeldJob>): Promise<void> {
    const first = this.ahead.prepare(batch);
    this.host.onRoom();
    if (first === undefined) return;
    this.ahead.sent(batch);
    this.begins(slot, batch, this.time.now());
    let run: BegunRun | undefined = { ...first, batch, reply: slot.run(first.request, first.limitMs) };
    while (run !== undefined) {
      const ahead = this.ahead.open(slot);
      await this.untilOver(slot, run, ahead);
      run = await ahead.next();
      this.ahead.close(slot);
    }
  }

  private begins(slot: RunnerSlot, batch: MicroBatch<HeldJob>, sentAt: number): void {
    this.runs.begin(slot, batch, sentAt);
    const { queue, model } = firstOf(batch).job.spec;
    this.host.onBatch(queue, model, batch.rows, batch.reason);
  }

  /** Resolves when a run has ended and its jobs have what it brought. */
  private async untilOver(slot: RunnerSlot, run: BegunRun, ahead: Ahead): Promise<void> {
    const { batch, softMs, limitMs } = run;
    const unit = firstOf(batch);
    const { session } = unit;
    let reply: RunReply;
    try {
      reply = await run.reply;
      checkRows(reply, batch);
    } catch (error) {
      this.runs.end(slot);
      this.ahead.left(batch);
      this.lastEnd.delete(slot);
      if (error instanceof InferError && error.code === 'ROWS_MIXED') this.host.onMixed(session, error);
      // When rows shared a run it is not yet known which one failed; a row that crashed the runner has had it
      // replaced.
      if (batch.rows === 1 && isOwnFailure(error)) slot.judge(session, false, [unit.id]);
      this.outcomes.failed(session, {
        batch,
        error,
        ms: slot.lastRunMs,
        limitMs: limitMs ?? Number.POSITIVE_INFINITY,
      });
      // Its pieces come first.
      ahead.takeBack();
      ahead.settle();
      // Another runner may be able to run what this one lacked, and may be asleep because it saw nothing to
      // do.
      this.wake();
      this.host.onRoom();
      return;
    }
    this.runs.end(slot, reply);
    this.ahead.left(batch);
    const end = this.time.now();
    const previous = this.lastEnd.get(slot);
    const overheadMs = previous === undefined ? undefined : end - previous - reply.runMs;
    this.host.onRan(unit, batch.rows, reply.runMs, overheadMs);
    this.lastEnd.set(slot, end);
    for (const { unit: one } of batch.parts) {
      one.ran = true;
      if (one.job.trace !== undefined) Object.assign(one.job.trace, reply.trace);
    }
    const own = reply.failed.some(({ error }) => isOwnFailure(error));
    slot.judge(session, reply.failed.length < batch.rows, own ? batch.parts.map((part) => part.unit.id) : []);
    if (reply.failed.length === 0) {
      ahead.settle();
      // The next run comes first: if its runner asks for it, that has arrived with the reply.
      if (ahead.batch !== undefined) await this.time.turn();
    }
    this.outcomes.ran(session, batch, reply, softMs);
    ahead.settle();
  }
}
