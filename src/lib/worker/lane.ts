import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { hostClock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { Priority } from '../core/job.js';
import { WakeUp } from '../core/wake-up.js';
import type { QueueConsumer } from '../queue/broker/consumer-port.js';
import type { TakenJob, TakeRoom } from '../queue/types.js';
import type { Logger } from '../telemetry/logger.js';
import { RepeatedWarnings } from './repeated-warnings.js';

/** Longest sleep on the marker: bounds how late a lost wake-up (or a resumed queue) is noticed. */
const WAIT_MS = 5000;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 5000;

export interface Intake {
  /** What this lane may fetch now; undefined = its prefetch is full. */
  room(lane: number): TakeRoom | undefined;
  /** What it may fetch whenever it is woken; undefined = it looks for room first. */
  roomAsleep(lane: number): TakeRoom | undefined;
  /** A take took this long, ms. */
  took(ms: number): void;
  admit(lane: number, jobs: TakenJob[]): void;
}

/**
 * Feeds one queue's jobs to the batcher. States:
 *
 *   taking    a take script is in progress
 *   waiting   the queue was empty: asleep on its marker, so new work is noticed immediately; with a take behind
 *             the sleep, if jobs are so short that some may be held at any time
 *   full      the next micro-batch is held already, or would wait here for long: everything else stays in
 *             Redis, where other workers can take it and urgent work can overtake it
 *   backoff   Redis answered with an error; retries after 0.25 s, doubling up to 5 s
 */
export class Lane {
  state: 'taking' | 'waiting' | 'full' | 'backoff' = 'taking';
  /** When the take in progress was sent, by `hostClock`. */
  takingSince: number | undefined;
  private readonly roomFreed = new WakeUp();
  private backoffMs = BACKOFF_MIN_MS;
  private readonly warnings: RepeatedWarnings;
  /** True after a take that found the queue empty (burst workers end on this). */
  empty = false;

  constructor(
    readonly index: number,
    readonly consumer: QueueConsumer,
    private readonly intake: Intake,
    private readonly signal: AbortSignal,
    private readonly log: Logger,
    private readonly onEmpty: () => void,
  ) {
    this.warnings = new RepeatedWarnings(log);
  }

  async run(): Promise<void> {
    let woken = false;
    while (!this.signal.aborted) {
      const freed = this.roomFreed.wait();
      const room = this.intake.room(this.index);
      try {
        if (room === undefined) {
          this.state = 'full';
          // The marker may have been meant for another worker, which is asleep.
          if (woken) await this.consumer.passOn();
          woken = false;
          await freed;
          continue;
        }
        woken = false;
        this.state = 'taking';
        this.takingSince = hostClock.now();
        const jobs = await this.consumer.take(room);
        this.intake.took(hostClock.now() - this.takingSince);
        this.backoffMs = BACKOFF_MIN_MS;
        this.intake.admit(this.index, jobs);
        this.takingSince = undefined;
        this.empty = !this.consumer.more;
        // A take that left nothing needs no second one to find that out.
        if (this.consumer.more) {
          // The next job may be left to an idle runner, here or on another worker.
          if (this.consumer.full) {
            this.state = 'full';
            await freed;
          }
          continue;
        }
        woken = await this.sleep();
      } catch (error) {
        if (this.signal.aborted) return;
        await this.backOff(error);
      }
    }
  }

  /** Sleeps until there is something to take that it could not take from its sleep. */
  private async sleep(): Promise<true> {
    for (;;) {
      this.state = 'waiting';
      this.onEmpty();
      // Taken jobs go to their runner first; sleeping can wait.
      await nextTurn();
      const room = this.intake.roomAsleep(this.index);
      if (room === undefined) {
        await this.consumer.waitForWork(WAIT_MS, this.signal);
        return true;
      }
      this.intake.admit(this.index, await this.consumer.takeOnWake(room, WAIT_MS, this.signal));
      this.empty = !this.consumer.more;
      if (this.consumer.more || this.signal.aborted) return true;
    }
  }

  /**
   * Fetches jobs more urgent than `floor` (any, when undefined). Works even while the lane sleeps on its
   * marker: a job that has just arrived is in Redis before its wake-up arrives.
   */
  async urge(floor: Priority | undefined, room: TakeRoom): Promise<void> {
    if (this.state === 'backoff' || this.signal.aborted) return;
    try {
      const asleep = this.state === 'waiting';
      this.intake.admit(this.index, await this.consumer.take(room, floor));
      // The take behind a sleep may have brought them: its answer is on another connection, and there by now.
      if (asleep) await nextTurn();
    } catch (error) {
      this.log.debug({ queue: this.consumer.queue, reason: messageOf(error) }, 'urgent look failed');
    }
  }

  /** Jobs are waiting in Redis that this worker has no room for. */
  get leftSome(): boolean {
    return this.state === 'full' && this.consumer.more;
  }

  freeRoom(): void {
    this.roomFreed.wake();
  }

  private async backOff(error: unknown): Promise<void> {
    this.state = 'backoff';
    this.warnings.report('cannot take jobs, will try again', error, { queue: this.consumer.queue });
    await delay(this.backoffMs, undefined, { signal: this.signal }).catch(() => undefined);
    this.backoffMs = Math.min(this.backoffMs * 2, BACKOFF_MAX_MS);
  }
}

/** Since when any of these lanes has waited for a take. */
export function takingSince(lanes: readonly Lane[]): number | undefined {
  const since = lanes.flatMap((lane) => lane.takingSince ?? []);
  return since.length === 0 ? undefined : Math.min(...since);
}
