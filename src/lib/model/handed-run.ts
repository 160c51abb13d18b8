import { type HostTime, hostTime, sleep } from '../core/host-time.js';
import type { HandedOver, HandOverEvents, RunReply } from './runner.js';
import type { Request } from './wire.js';

/** What a run that was handed over needs of its runner. */
interface RunnerSide {
  send(frame: Request): void;
  /** The run before it is in progress: no part of its reply has arrived, and none is on its way. */
  isQuiet(): boolean;
}

/** The worker's end of a run that was handed over. */
export class HandedRun implements HandedOver {
  readonly reply: Promise<RunReply | undefined>;
  private settle: (reply: RunReply | undefined | Promise<RunReply | undefined>) => void = () => undefined;
  private state: 'handed' | 'begun' | 'over' = 'handed';
  private until: number | null = Number.NEGATIVE_INFINITY;
  private readonly decided: Promise<void>;
  private decide: () => void = () => undefined;

  constructor(
    private readonly id: number,
    private readonly events: HandOverEvents,
    private readonly runner: RunnerSide,
    private readonly time: HostTime = hostTime,
  ) {
    this.reply = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.decided = new Promise((resolve) => {
      this.decide = resolve;
    });
  }

  /** Its outcome, or undefined when the runner says that it did not run it; rejects when the runner ends. */
  follow(outcome: Promise<RunReply | undefined>): void {
    outcome.then(
      (reply) => this.end(Promise.resolve(reply)),
      // A process that ends did not run what it had not begun.
      (error: unknown) => this.end(this.state === 'begun' ? Promise.reject(error) : undefined),
    );
  }

  private end(reply: Promise<RunReply | undefined> | undefined): void {
    if (this.state === 'handed') this.state = 'over';
    this.settle(reply);
    this.decide();
  }

  on(notice: 'begins' | 'asks'): void {
    if (this.state !== 'handed') return;
    if (notice === 'asks') {
      this.events.onAsk();
      return;
    }
    this.state = 'begun';
    this.events.onBegin();
    this.decide();
  }

  permit(until: number | null): void {
    if (this.state !== 'handed') return;
    this.until = until;
    this.runner.send({ id: this.id, op: 'permit', until });
  }

  async takeBack(): Promise<boolean> {
    if (this.state !== 'handed') return this.state === 'over';
    this.runner.send({ id: this.id, op: 'recall' });
    while (this.state === 'handed') {
      if (this.until === Number.NEGATIVE_INFINITY) return this.giveUp();
      if (this.until === null) {
        await this.decided;
        continue;
      }
      const left = this.until - this.time.now();
      if (left >= 0) {
        await Promise.race([this.decided, sleep(this.time, left + 1)]);
        continue;
      }
      // The permit has expired. Had it been used, the reply to the run before would have been sent earlier:
      // whatever has arrived is read in the next turn.
      await this.time.turn();
      await this.time.turn();
      if (this.state !== 'handed') break;
      if (this.runner.isQuiet()) return this.giveUp();
      await this.decided;
    }
    return this.state === 'over';
  }

  private giveUp(): true {
    this.state = 'over';
    this.settle(undefined);
    return true;
  }
}
