import type { Batcher } from '../batch/batcher.js';
import { LookClock } from '../batch/hand-over.js';
import { byUrgency, type MicroBatch } from '../batch/planner.js';
import type { Clock } from '../core/clock.js';
import type { HostTime } from '../core/host-time.js';
import type { HandOverEvents } from '../model/runner.js';
import { Ahead, type SentBatch } from './ahead.js';
import type { HeldJob } from './held-jobs.js';
import { leastLeft, type RunEndings, type RunOutcomes } from './run-outcomes.js';
import type { RunnerSlot } from './runner-slot.js';
import { hasRowsOf, type Runs } from './runs.js';

/** What it needs of the dispatcher. */
export interface HandOverParts {
  batcher: Batcher<HeldJob>;
  runs: Runs;
  outcomes: Pick<RunOutcomes, 'runApart'>;
  endings: Pick<RunEndings, 'mayStart' | 'freeInput'>;
  /** Redis's clock. */
  clock: Clock;
  time: HostTime;
  /** Fetches jobs more urgent than this one. */
  urge(unit: HeldJob): Promise<void>;
  /** What a runner may run; undefined = everything. */
  accepts(slot: RunnerSlot): ((unit: HeldJob) => boolean) | undefined;
  /** Whether a runner is to get no more work. */
  isOver(slot: RunnerSlot): boolean;
  /** A micro-batch that was handed over begins; `sentAt` by `time`. */
  begins(slot: RunnerSlot, batch: MicroBatch<HeldJob>, sentAt: number): void;
  /** One came back without having run, and its rows wait again. */
  returned(): void;
}

/** The micro-batches that the runners of a worker have and have not begun. */
export class HandOvers {
  private readonly looks = new LookClock();
  private readonly aheads = new Map<RunnerSlot, Ahead>();
  /** Runners that wait for work. */
  private readonly idling = new Set<RunnerSlot>();

  constructor(private readonly parts: HandOverParts) {}

  /** A run has begun: while it lasts, the next micro-batch is handed over. */
  open(slot: RunnerSlot): Ahead {
    const { batcher, runs, clock, endings, urge, accepts, begins } = this.parts;
    const ahead = new Ahead(
      {
        batcher,
        looks: this.looks,
        looked: (sentAt) => this.looked(slot, sentAt),
        clock,
        urge,
        mayStart: (unit) => endings.mayStart(unit),
        accepts: () => accepts(slot),
        wantsMore: () => !this.parts.isOver(slot) && !this.hasFree(slot),
        send: (batch, events) => this.send(slot, batch, events),
        begins: (batch, sentAt) => begins(slot, batch, sentAt),
        returned: (batch) => this.returned(batch),
      },
      runs.expectedEnd(slot),
      this.parts.time,
    );
    this.aheads.set(slot, ahead);
    return ahead;
  }

  close(slot: RunnerSlot): void {
    this.aheads.delete(slot);
  }

  /** Work has arrived, or jobs or runners may have ended; `job`: only this one has. */
  consider(job?: HeldJob): void {
    // The most urgent work goes where a run is likely to end first.
    const aheads = [...this.aheads.values()].sort((a, b) => a.likelyEnd - b.likelyEnd || 0);
    for (const ahead of aheads) if (job === undefined || hasRowsOf(ahead.batch, job)) ahead.consider();
  }

  /**
   * A runner is free and would run `next`: what others have been handed and have not begun is taken back if it
   * is more urgent. Resolves when it is; undefined when there is none.
   */
  reclaim(slot: RunnerSlot, next: () => HeldJob | undefined): Promise<unknown> | undefined {
    const others = [...this.aheads].flatMap(([other, ahead]) => (other === slot ? [] : [ahead]));
    // Before each run; most workers have one runner.
    const first = others.length === 0 ? undefined : next();
    if (first === undefined) return undefined;
    const accepts = this.parts.accepts(slot);
    const goesFirst = (unit: HeldJob) => byUrgency(unit, first) < 0 && accepts?.(unit) !== false;
    const back = others.flatMap((ahead) => ahead.reclaim(goesFirst) ?? []);
    return back.length > 0 ? Promise.all(back) : undefined;
  }

  /** Runs until `woken` resolves: meanwhile, what busy runners have been handed can begin in this one. */
  async idle(slot: RunnerSlot, woken: Promise<unknown>): Promise<void> {
    this.idling.add(slot);
    this.consider();
    await woken;
    this.idling.delete(slot);
  }

  /** Those with rows of lanes up to `lane`, while another run is in progress. */
  runsUpTo(lane: number): number {
    const waiting = [...this.aheads].filter(([slot]) => this.parts.runs.has(slot));
    return waiting.filter(([, { batch }]) => batch?.parts.some(({ unit }) => unit.lane <= lane)).length;
  }

  /** Number of runners between two runs that are about to begin what they have. */
  get between(): number {
    return [...this.aheads].filter(([slot, { batch }]) => batch !== undefined && !this.parts.runs.has(slot))
      .length;
  }

  /** Whether a runner has rows of this job that have not begun. */
  has(job: HeldJob): boolean {
    return [...this.aheads.values()].some(({ batch }) => hasRowsOf(batch, job));
  }

  takeBack(matches: (job: HeldJob) => boolean): void {
    for (const ahead of this.aheads.values())
      if (ahead.batch?.parts.some(({ unit }) => matches(unit))) ahead.takeBack();
  }

  /** A look for more urgent work, sent at this moment for a runner, has been answered. */
  looked(slot: RunnerSlot, sentAt: number): void {
    const now = this.parts.time.now();
    this.looks.took(now - sentAt);
    this.parts.runs.meter.spent(slot, 'look', sentAt, now);
  }

  /** What a runner is sent for a micro-batch; undefined when nothing of it is left to run. */
  prepare(batch: MicroBatch<HeldJob>) {
    // Asked before every run until the job was in a run that ended, or had one alone: a crash in a shared run
    // may have come before its turn.
    batch.parts = batch.parts.filter(
      ({ unit }) => !unit.over && (unit.ran || this.parts.endings.mayStart(unit)),
    );
    batch.rows = batch.parts.reduce((sum, part) => sum + part.rows, 0);
    const model = batch.parts[0]?.unit.session;
    if (model === undefined) return undefined;
    // Planned before its rows were found to mix.
    if (this.parts.outcomes.runApart(batch, model)) {
      batch.parts = [];
      return undefined;
    }
    const parts = batch.parts.map(({ unit, from, rows }) => unit.rowsAt(from, rows));
    const traced = batch.parts.some(({ unit }) => unit.job.trace !== undefined);
    const [softMs, limitMs] = [leastLeft(batch, 'softMs'), leastLeft(batch, 'hardMs')];
    const request = { model, parts, softMs, ...(traced ? { traced } : {}) };
    return { request, softMs, limitMs };
  }

  /** A runner has these rows now. */
  sent(batch: MicroBatch<HeldJob>): void {
    for (const { unit } of batch.parts) unit.atRunner += 1;
  }

  /** A runner no longer has the rows of a micro-batch. */
  left(batch: MicroBatch<HeldJob>): void {
    for (const { unit } of batch.parts) {
      unit.atRunner -= 1;
      this.parts.endings.freeInput(unit);
    }
  }

  /** Whether another runner could begin at once. */
  private hasFree(slot: RunnerSlot): boolean {
    return [...this.idling].some((other) => other !== slot && !this.parts.isOver(other));
  }

  private send(slot: RunnerSlot, batch: MicroBatch<HeldJob>, events: HandOverEvents): SentBatch | undefined {
    const { parts } = batch;
    // How much time such a job has left is known when its rows in the current run have ended.
    if (
      parts.some(({ unit }) => unit.atRunner > 0 && (unit.limits.hardMs ?? unit.limits.softMs) !== undefined)
    )
      return undefined;
    const next = this.prepare(batch);
    const sentAt = this.parts.time.now();
    const over = next && slot.handOver(next.request, next.limitMs, events);
    if (next === undefined || over === undefined) return undefined;
    this.sent(batch);
    return { ...next, over, sentAt };
  }

  private returned(batch: MicroBatch<HeldJob>): void {
    this.left(batch);
    batch.parts = batch.parts.filter(({ unit }) => !unit.over);
    batch.rows = batch.parts.reduce((sum, part) => sum + part.rows, 0);
    if (batch.parts.length > 0) this.parts.batcher.giveBack(batch);
    this.parts.returned();
  }
}
