import { Batcher } from '../batch/batcher.js';
import type { MicroBatch } from '../batch/planner.js';
import type { Clock } from '../core/clock.js';
import { InferError } from '../core/errors.js';
import { Gate } from '../core/gate.js';
import type { RunReply } from '../model/runner.js';
import { type Payload, splitRows } from '../model/tensor.js';
import type { HeldJob } from './held.js';
import type { RunnerSlot } from './runner-slot.js';

/** What the dispatcher asks of the worker around it. */
export interface DispatchHost {
  /** Fetches what is more urgent than `unit` before its micro-batch goes out. */
  urge(unit: HeldJob): Promise<void>;
  /** False for a job that must not start any more (cancelled, past its deadline); the host has ended it. */
  mayStart(job: HeldJob): boolean;
  onCompleted(job: HeldJob): void;
  onFailed(job: HeldJob, error: unknown): void;
  /** A cancelled job whose rows in the run are done now. */
  onCancelled(job: HeldJob): void;
  /** Rows left the batcher: lanes may fetch again. */
  onRoom(): void;
}

export interface BatchStats {
  batches: number;
  rows: number;
  closed: Record<MicroBatch<HeldJob>['reason'], number>;
}

/**
 * Runs micro-batches: one loop a runner takes the most urgent next batch, as soon as the runner is
 * free. Invariant: a job never waits for more than one running micro-batch of less urgent work,
 * because each batch is planned only when it can run, after a look for more urgent jobs. A failed
 * batch of several jobs is halved and run again until the culprit stands alone.
 */
export class Dispatcher {
  private readonly batcher: Batcher<HeldJob>;
  private readonly work = new Gate();
  private readonly quiet = new Gate();
  private running = 0;
  private stopping = false;
  private readonly inRun = new Set<HeldJob>();
  readonly stats: BatchStats = { batches: 0, rows: 0, closed: { full: 0, idle: 0, window: 0, retry: 0 } };

  constructor(
    private readonly slots: readonly RunnerSlot[],
    windowMs: number,
    private readonly host: DispatchHost,
    private readonly clock: Clock,
  ) {
    this.batcher = new Batcher(windowMs);
  }

  /** One loop a runner; resolves when `stop` was called and the runs in progress are over. */
  async run(): Promise<void> {
    await Promise.all(this.slots.map((slot) => this.serve(slot)));
  }

  add(job: HeldJob): void {
    this.batcher.add(job);
  }

  /** Lets idle runners look; call once after adding. */
  wake(): void {
    this.work.open();
  }

  /** Takes jobs out that wait (all of their waiting rows); rows in a run are the caller's to ignore. */
  withdraw(matches: (job: HeldJob) => boolean): HeldJob[] {
    const removed = this.batcher.remove(matches);
    if (this.isQuiet) this.quiet.open();
    return removed;
  }

  rowsUpTo(lane: number): number {
    return this.batcher.rowsUpTo(lane);
  }

  /** Jobs with rows in a run right now. */
  get runningJobs(): ReadonlySet<HeldJob> {
    return this.inRun;
  }

  get isQuiet(): boolean {
    return this.running === 0 && this.batcher.isEmpty;
  }

  /** Resolves when nothing waits and nothing runs. */
  async drained(): Promise<void> {
    while (!this.isQuiet) await this.quiet.wait();
  }

  stop(): void {
    this.stopping = true;
    this.work.open();
  }

  private async serve(slot: RunnerSlot): Promise<void> {
    let cameFromIdle = true;
    while (!this.stopping) {
      const woken = this.work.wait();
      if (this.batcher.isEmpty) {
        cameFromIdle = true;
        await woken;
        continue;
      }
      // What arrived while the last run was on has been held since then; something more urgent may
      // have come to Redis after it. From idle, everything held was fetched this instant.
      const last = this.batcher.leastUrgentOfNext();
      if (!cameFromIdle && last !== undefined) await this.host.urge(last);
      cameFromIdle = false;
      const next = this.batcher.next(this.clock.now());
      if (next === undefined) continue;
      if ('holdMs' in next) {
        await this.hold(next.holdMs, woken);
        continue;
      }
      this.running += 1;
      try {
        await this.runBatch(slot, next.batch);
      } finally {
        this.running -= 1;
      }
      if (this.isQuiet) this.quiet.open();
    }
  }

  /** Sleeps for the batch window, or until more work came. */
  private async hold(ms: number, woken: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([woken, timeout]);
    clearTimeout(timer);
  }

  private async runBatch(slot: RunnerSlot, batch: MicroBatch<HeldJob>): Promise<void> {
    batch.parts = batch.parts.filter(({ unit }) => !unit.over && (unit.started || this.host.mayStart(unit)));
    this.host.onRoom();
    const first = batch.parts[0];
    if (first === undefined) return;
    const model = first.unit.job.spec.model;
    const now = this.clock.now();
    for (const { unit } of batch.parts) {
      unit.startedAt ??= now;
      unit.device = slot.deviceOf(model);
      this.inRun.add(unit);
    }
    this.stats.batches += 1;
    this.stats.closed[batch.reason] += 1;
    let reply: RunReply;
    try {
      const parts = batch.parts.map(({ unit, from, rows }) => unit.rowsAt(from, rows));
      reply = await slot.run({ model, parts });
      checkRows(reply, batch);
    } catch (error) {
      this.onRunFailed(batch, error);
      return;
    } finally {
      for (const { unit } of batch.parts) this.inRun.delete(unit);
    }
    this.stats.rows += batch.rows;
    const pieces = splitRows(
      reply.outputs,
      batch.parts.map((part) => part.rows),
    );
    for (const [i, { unit, from }] of batch.parts.entries()) {
      const outputs = pieces[i] as Payload;
      if (unit.over) continue;
      if (unit.cancelled) {
        this.host.onCancelled(unit);
        continue;
      }
      unit.runMs += reply.runMs;
      if (unit.finish(from, outputs)) this.host.onCompleted(unit);
    }
  }

  private onRunFailed(batch: MicroBatch<HeldJob>, error: unknown): void {
    batch.parts = batch.parts.filter(({ unit }) => !unit.over);
    const alone = batch.parts.length === 1 ? batch.parts[0] : undefined;
    if (alone !== undefined) {
      const job = alone.unit;
      this.batcher.remove((other) => other === job);
      this.host.onFailed(job, error);
    } else if (batch.parts.length > 1) {
      this.batcher.halve(batch);
    }
    this.host.onRoom();
  }
}

/** A model that answers other than one output row a row would hand results to the wrong jobs. */
function checkRows(reply: RunReply, batch: MicroBatch<HeldJob>): void {
  if (reply.outputs.rows === batch.rows) return;
  throw new InferError('OUTPUT_ROWS', `the model answered ${reply.outputs.rows} rows to ${batch.rows}`, {
    hint: 'declare "batchable": false in its model.json',
  });
}
