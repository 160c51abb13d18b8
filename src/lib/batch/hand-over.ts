import type { MicroBatch, Unit } from './planner.js';

/** A permit is valid for this long at least, ms: a timer and a look of a worker nearby fit into it. */
const PERMIT_MS = 2;
/** The same in looks, for a worker far from its Redis: what a look found is as old as the look when it arrives. */
const PERMIT_LOOKS = 3;
/**
 * A micro-batch that others could still join is handed over this long before the run is expected to end, ms:
 * planning, sending, one look.
 */
const LEAD_MS = 2;
const LEAD_LOOKS = 2;
/** The first look is made this many mean deviations before the expected end: most runs are not shorter. */
const DEVIATIONS = 2;
/** Timers fire up to a millisecond late. */
const TIMER_MS = 1;
/** The further a run exceeds its expected time, the rarer the looks: one each quarter of the excess. */
const RARER = 1 / 4;
/** Weight of a new look in the mean. */
const NEWEST = 0.2;

/** What the worker should do now. All moments are in ms of one clock. */
export interface Step {
  /** Look for more urgent work, and report with `looked`. */
  look?: true;
  /** Give the runner this permit; null = begin. */
  permit?: number | null;
  /** Call `tick` at this moment. */
  at?: number;
}

/** How long a look takes, and thus for how long what it found is valid. */
export class LookClock {
  private meanMs = 0;

  took(ms: number): void {
    this.meanMs = this.meanMs === 0 ? ms : this.meanMs + NEWEST * (ms - this.meanMs);
  }

  get lookMs(): number {
    return this.meanMs;
  }

  /** A run may begin for this long after a look for more urgent work was sent. */
  get permitMs(): number {
    return Math.max(PERMIT_MS, PERMIT_LOOKS * this.meanMs);
  }

  /** When to hand over a micro-batch that others could still join. */
  handOverAt({ end, deviation }: ExpectedEnd): number {
    return end - DEVIATIONS * deviation - Math.max(LEAD_MS, LEAD_LOOKS * this.meanMs) - TIMER_MS;
  }
}

/** When a run is likely to end, and the mean deviation of such runs, ms. */
export interface ExpectedEnd {
  end: number;
  deviation: number;
}

/**
 * Whether a micro-batch is worth handing over during the run before it. One that no job can join is, at once.
 * Another is, shortly before the end of that run, if more work waits behind it. Pure.
 */
export function isWorthHandingOver(batch: MicroBatch<Unit>, moreWaits: boolean, isLate: boolean): boolean {
  return (
    batch.reason === 'full' ||
    batch.reason === 'retry' ||
    (isLate && (batch.reason === 'urgent' || moreWaits))
  );
}

/**
 * When a micro-batch that was handed over may begin. Invariant: it begins no later than `permitMs` after a
 * look for more urgent work was sent that found nothing. So looks are made shortly before the expected end of
 * the run in progress, then as often as a permit expires, and ever more rarely if that run goes on. Where no
 * permit is valid when the runner is free, it asks, and one more look decides. No clock, no IO.
 */
export class HandOver {
  private lookedAt = Number.NEGATIVE_INFINITY;
  private looking = false;
  private asked = false;
  private done = false;

  /** @param expected end of the run in progress; undefined = unknown: no look before the runner asks. */
  constructor(
    private readonly looks: Pick<LookClock, 'lookMs' | 'permitMs'>,
    private readonly expected: ExpectedEnd | undefined,
  ) {}

  /** The micro-batch has been handed over, or it is time for a look. */
  tick(now: number): Step {
    if (this.looking || this.done) return {};
    if (this.asked) return this.look();
    const at = this.nextLook(now);
    if (at === undefined) return {};
    return at <= now ? this.look() : { at };
  }

  /** A look that was sent at `sentAt` found nothing more urgent. */
  looked(sentAt: number, now: number): Step {
    this.looking = false;
    this.lookedAt = sentAt;
    // The look that decides: an answer on its way back is no reason for another. One that this process read late
    // is; looks that take long make permits longer, so that this ends.
    if (this.asked) return now - sentAt <= this.looks.permitMs ? this.go() : this.look();
    const at = this.nextLook(now);
    return { permit: sentAt + this.looks.permitMs, ...(at === undefined ? {} : { at }) };
  }

  /** The runner is free and lacks a valid permit. */
  asks(now: number): Step {
    this.asked = true;
    if (this.looking || this.done) return {};
    return now - this.lookedAt <= this.looks.permitMs ? this.go() : this.look();
  }

  private go(): Step {
    this.done = true;
    return { permit: null };
  }

  private look(): Step {
    this.looking = true;
    return { look: true };
  }

  private nextLook(now: number): number | undefined {
    if (this.expected === undefined) return undefined;
    const { lookMs, permitMs } = this.looks;
    const { end, deviation } = this.expected;
    const first = end - DEVIATIONS * deviation - lookMs - TIMER_MS;
    if (this.lookedAt < first - permitMs) return first;
    const over = Math.max(0, now - end - DEVIATIONS * deviation);
    return this.lookedAt + Math.max(permitMs - lookMs - TIMER_MS / 2, permitMs / 4, over * RARER);
  }
}
