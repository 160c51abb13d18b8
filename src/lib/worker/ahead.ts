import type { Batcher } from '../batch/batcher.js';
import {
  type ExpectedEnd,
  HandOver,
  isWorthHandingOver,
  type LookClock,
  type Step,
} from '../batch/hand-over.js';
import { byUrgency, type MicroBatch } from '../batch/planner.js';
import type { Clock } from '../core/clock.js';
import { type HostTime, hostTime } from '../core/host-time.js';
import type { HandedOver, HandOverEvents, RunReply } from '../model/runner.js';
import type { HeldJob } from './held-jobs.js';

/** A run that has begun. */
export interface BegunRun {
  batch: MicroBatch<HeldJob>;
  reply: Promise<RunReply>;
  softMs: number | undefined;
  limitMs: number | undefined;
}

/** A micro-batch as it was sent to a runner. */
export interface SentBatch {
  over: HandedOver;
  softMs: number | undefined;
  limitMs: number | undefined;
  /** In ms of `hostClock`. */
  sentAt: number;
}

/** What it needs of the dispatcher. */
export interface AheadParts {
  batcher: Batcher<HeldJob>;
  looks: LookClock;
  /** A look that was sent at this moment has been answered. */
  looked(sentAt: number): void;
  /** Redis's clock, for deadlines. */
  clock: Clock;
  /** Fetches jobs more urgent than this one. */
  urge(unit: HeldJob): Promise<void>;
  /** False for a job past its deadline, which is then ended. */
  mayStart(unit: HeldJob): boolean;
  /** What the runner may run; undefined = everything. */
  accepts(): ((unit: HeldJob) => boolean) | undefined;
  /** Whether the runner is to get more work, and no other is free for it. */
  wantsMore(): boolean;
  /** Sends a micro-batch; undefined when its runner cannot take it now, or nothing of it is left to run. */
  send(batch: MicroBatch<HeldJob>, events: HandOverEvents): SentBatch | undefined;
  /** The run after this one has begun. */
  begins(batch: MicroBatch<HeldJob>, sentAt: number): void;
  /** A micro-batch came back without having run; its rows wait again. */
  returned(batch: MicroBatch<HeldJob>): void;
}

interface Handed extends SentBatch {
  batch: MicroBatch<HeldJob>;
  decision: HandOver;
  state: 'waits' | 'returning' | 'begun' | 'back';
}

/**
 * Work for one runner while it runs: takes the next micro-batch, hands it over, and takes it back if something
 * more urgent turns up, or a job in it ends, before it begins. One instance for each run in progress.
 */
export class Ahead {
  private handed: Handed | undefined;
  private readonly dueAt: number;
  private cancelTimer: () => void = () => undefined;
  /** The run in progress has ended, and what it means for the next one is known. */
  private settled = false;
  private asked = false;
  private over = false;
  /** Until when the micro-batch may begin. */
  private permitted = Number.NEGATIVE_INFINITY;

  /** @param expected end of the run in progress, in ms of `hostClock`; undefined = unknown */
  constructor(
    private readonly parts: AheadParts,
    private readonly expected: ExpectedEnd | undefined,
    private readonly time: HostTime = hostTime,
  ) {
    this.dueAt = expected === undefined ? Number.POSITIVE_INFINITY : parts.looks.handOverAt(expected);
    if (expected !== undefined) this.wakeAt(this.dueAt, () => this.consider());
    // Not before the run itself has been sent.
    void time.turn().then(() => this.consider());
  }

  /** The micro-batch that the runner has and has not begun. */
  get batch(): MicroBatch<HeldJob> | undefined {
    const { handed } = this;
    return handed?.state === 'waits' || handed?.state === 'returning' ? handed.batch : undefined;
  }

  /** Call when work has arrived, or when jobs or runners may have ended. */
  consider(): void {
    const { handed } = this;
    if (this.over) return;
    if (handed === undefined) {
      if (!this.settled) this.handOver();
      return;
    }
    if (handed.state !== 'waits') return;
    const unwanted =
      !this.parts.wantsMore() ||
      handed.batch.parts.some(({ unit }) => unit.over) ||
      this.parts.batcher.outranks(handed.batch, this.parts.accepts());
    if (unwanted) this.takeBack();
  }

  /** Takes the micro-batch back, unless it begins before that. */
  takeBack(): void {
    const { handed } = this;
    if (handed?.state !== 'waits') return;
    handed.state = 'returning';
    void handed.over.takeBack().then((back) => back && this.isBack(handed));
  }

  /**
   * Takes the micro-batch back for a runner that is free, if its most urgent job matches and it is not about to
   * begin here: no permit is valid. Resolves when it is back or has begun; undefined = it stays.
   */
  reclaim(matches: (unit: HeldJob) => boolean): Promise<void> | undefined {
    const { handed } = this;
    const first = handed?.batch.parts[0]?.unit;
    if (handed?.state !== 'waits' || first === undefined || !matches(first)) return undefined;
    if (this.permitted >= this.time.now()) return undefined;
    this.takeBack();
    return this.decided;
  }

  /** When the run in progress is likely to end; infinite = unknown. */
  get likelyEnd(): number {
    return this.expected?.end ?? Number.POSITIVE_INFINITY;
  }

  /** The run in progress has ended. What it brought has been processed if that matters for the next run. */
  settle(): void {
    if (this.settled) return;
    this.settled = true;
    if (this.asked) this.onAsk();
  }

  /** The next run, once it has begun; undefined when none is handed over. To be called when `settled`. */
  async next(): Promise<BegunRun | undefined> {
    this.settled = true;
    const { handed } = this;
    if (handed === undefined) {
      this.end();
      return undefined;
    }
    await this.decided;
    this.end();
    if (handed.state !== 'begun') return undefined;
    const { batch, softMs, limitMs } = handed;
    return { batch, softMs, limitMs, reply: handed.over.reply as Promise<RunReply> };
  }

  private decide: () => void = () => undefined;
  private readonly decided = new Promise<void>((resolve) => {
    this.decide = resolve;
  });

  private end(): void {
    this.over = true;
    this.cancelTimer();
  }

  private handOver(): void {
    const { parts } = this;
    if (!parts.wantsMore()) return;
    const isLate = this.time.now() >= this.dueAt;
    const next = parts.batcher.next(parts.clock.now(), parts.accepts(), (batch, moreWaits) =>
      isWorthHandingOver(batch, moreWaits, isLate),
    );
    if (next === undefined || 'holdMs' in next) return;
    const { batch } = next;
    const sent = parts.send(batch, { onBegin: () => this.onBegin(), onAsk: () => this.onAsk() });
    if (sent === undefined) {
      if (batch.parts.length > 0) parts.batcher.giveBack(batch);
      return;
    }
    const handed: Handed = {
      ...sent,
      batch,
      decision: new HandOver(parts.looks, this.expected),
      state: 'waits',
    };
    this.handed = handed;
    handed.over.reply.then(
      (reply) => reply === undefined && this.isBack(handed),
      () => undefined,
    );
    this.act(handed.decision.tick(this.time.now()));
  }

  private onBegin(): void {
    const { handed } = this;
    if (handed === undefined || handed.state === 'back') return;
    handed.state = 'begun';
    this.cancelTimer();
    this.parts.begins(handed.batch, handed.sentAt);
    this.decide();
  }

  private isBack(handed: Handed): void {
    if (handed.state === 'back' || handed.state === 'begun') return;
    handed.state = 'back';
    this.cancelTimer();
    this.parts.returned(handed.batch);
    this.decide();
  }

  private onAsk(): void {
    this.asked = true;
    if (!this.settled || this.handed?.state !== 'waits') return;
    this.act(this.handed.decision.asks(this.time.now()));
  }

  private act({ look, permit, at }: Step): void {
    const { handed } = this;
    if (handed?.state !== 'waits') return;
    if (permit !== undefined) this.permit(handed, permit);
    if (handed.state !== 'waits') return;
    if (look === true) void this.look(handed);
    if (at !== undefined) this.wakeAt(at, () => this.act(handed.decision.tick(this.time.now())));
  }

  /** Looks for more urgent work in Redis. What it finds has been added when it returns. */
  private async look(handed: Handed): Promise<void> {
    const sentAt = this.time.now();
    const units = handed.batch.parts.map(({ unit }) => unit);
    await this.parts.urge(units.reduce((last, unit) => (byUrgency(last, unit) < 0 ? unit : last)));
    this.parts.looked(sentAt);
    this.consider();
    this.act(handed.decision.looked(sentAt, this.time.now()));
  }

  private permit(handed: Handed, until: number | null): void {
    // Jobs in a run that ended, or in one of their own, have started.
    const fresh = handed.batch.parts.map(({ unit }) => unit).filter((unit) => !unit.ran);
    if (until === null) {
      for (const unit of fresh) if (!unit.over) this.parts.mayStart(unit);
      this.consider();
      if (handed.state !== 'waits') return;
      this.permitted = Number.POSITIVE_INFINITY;
      handed.over.permit(null);
      return;
    }
    const deadlines = fresh.map(({ job }) => job.spec.deadline ?? Number.POSITIVE_INFINITY);
    const left = Math.min(...deadlines, Number.POSITIVE_INFINITY) - this.parts.clock.now();
    this.permitted = Math.min(until, this.time.now() + left);
    handed.over.permit(this.permitted);
  }

  private wakeAt(at: number, then: () => void): void {
    this.cancelTimer();
    this.cancelTimer = this.time.after(at - this.time.now(), then);
  }
}
