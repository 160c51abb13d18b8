import { byUrgency, holdFor, type MicroBatch, type Part, planMicroBatch, type Unit } from './planner.js';

/** A unit that the batcher may update as its rows are planned. */
export type MutableUnit = { -readonly [K in keyof Unit]: Unit[K] };

/**
 * Holds waiting units and returns micro-batches. States of a unit's rows:
 *
 *   waiting   in `units`, sorted by urgency
 *   planned   in a returned micro-batch; the caller runs it
 *   cut       in `retries` after a failed run of several rows; returned again as a separate piece
 *
 * Work-conserving: without a window, `next` always returns a batch while anything waits. It has no clock and
 * no timer: the caller passes the time and comes back when told.
 */
export class Batcher<U extends MutableUnit> {
  private readonly units: U[] = [];
  private readonly retries: MicroBatch<U>[] = [];

  /** How often rows came back: pieces of failed runs, and micro-batches that were not run. */
  reused = 0;

  constructor(private readonly windowMs: number) {}

  add(unit: U): void {
    // Most arrivals are among the least urgent, so the search starts at the end.
    let at = this.units.length;
    while (at > 0 && byUrgency(unit, this.units[at - 1] as U) < 0) at -= 1;
    this.units.splice(at, 0, unit);
  }

  /** Removes units (cancelled, expired, lost or handed back) and returns them. */
  remove(matches: (unit: U) => boolean): U[] {
    const removed: U[] = [];
    for (let i = this.units.length - 1; i >= 0; i--) {
      if (matches(this.units[i] as U)) removed.push(...this.units.splice(i, 1));
    }
    for (let i = this.retries.length - 1; i >= 0; i--) {
      const batch = this.retries[i] as MicroBatch<U>;
      removed.push(...batch.parts.filter((part) => matches(part.unit)).map((part) => part.unit));
      batch.parts = batch.parts.filter((part) => !matches(part.unit));
      batch.rows = batch.parts.reduce((sum, part) => sum + part.rows, 0);
      if (batch.parts.length === 0) this.retries.splice(i, 1);
    }
    return [...new Set(removed)];
  }

  /**
   * Removes one unit. Called for every job that ends, most of which have nothing waiting here: the others are
   * searched only if this one does.
   */
  drop(unit: U): void {
    if (unit.remaining > 0 || this.retries.length > 0) this.remove((other) => other === unit);
  }

  get isEmpty(): boolean {
    return this.units.length === 0 && this.retries.length === 0;
  }

  /** Rows waiting in lanes up to `lane`. */
  rowsUpTo(lane: number): number {
    let rows = 0;
    for (const unit of this.units) if (unit.lane <= lane) rows += unit.remaining;
    for (const batch of this.retries) {
      for (const part of batch.parts) if (part.unit.lane <= lane) rows += part.rows;
    }
    return rows;
  }

  /**
   * Full runs that the rows waiting in lanes up to `lane` make up; parts of runs add up. Pieces of failed
   * runs count as one run each.
   */
  runsUpTo(lane: number): number {
    let runs = 0;
    for (const unit of this.units) if (unit.lane <= lane) runs += unit.remaining / Math.max(1, unit.cap);
    for (const batch of this.retries) if (batch.parts.some(({ unit }) => unit.lane <= lane)) runs += 1;
    return runs;
  }

  /** The most urgent unit of the micro-batch that would be run now. */
  firstOfNext(accepts?: (unit: U) => boolean): U | undefined {
    return this.peek(accepts)?.parts[0]?.unit;
  }

  /** The least urgent unit of the micro-batch that would be run now, for comparison with urgent work. */
  leastUrgentOfNext(accepts?: (unit: U) => boolean): U | undefined {
    const batch = this.peek(accepts);
    return batch?.parts.reduce(
      (last, part) => (byUrgency(last, part.unit) < 0 ? part.unit : last),
      (batch.parts[0] as { unit: U }).unit,
    );
  }

  /**
   * The micro-batch to run now; or how long to hold it for the window; or undefined when nothing waits.
   * Returned rows are subtracted, and a unit without remaining rows is dropped.
   * @param accepts what can be run in the intended place; default: everything.
   * @param wants whether to return this micro-batch, knowing whether more waits behind it; default: yes.
   */
  next(
    now: number,
    accepts?: (unit: U) => boolean,
    wants?: (batch: MicroBatch<U>, moreWaits: boolean) => boolean,
  ): { batch: MicroBatch<U> } | { holdMs: number } | undefined {
    const batch = this.peek(accepts);
    if (batch === undefined || wants?.(batch, this.hasMoreThan(batch)) === false) return undefined;
    if (batch.reason === 'retry') {
      this.retries.splice(this.retries.indexOf(batch), 1);
      return { batch };
    }
    const holdMs = holdFor(batch, this.windowMs, now);
    if (holdMs > 0) return { holdMs };
    if (this.windowMs > 0 && batch.reason === 'idle') batch.reason = 'window';
    for (const part of batch.parts) {
      part.unit.remaining -= part.rows;
      if (part.unit.remaining === 0) this.units.splice(this.units.indexOf(part.unit), 1);
    }
    return { batch };
  }

  private hasMoreThan(batch: MicroBatch<U>): boolean {
    const pieces = batch.reason === 'retry' ? 1 : 0;
    if (this.retries.length > pieces) return true;
    if (pieces === 1) return this.units.length > 0;
    return (
      this.units.length > batch.parts.length || batch.parts.some(({ unit, rows }) => rows < unit.remaining)
    );
  }

  /** After a failed run: its pieces are returned again, each for a run of its own, the last one first. */
  retry(...batches: MicroBatch<U>[]): void {
    this.reused += 1;
    for (const batch of batches) {
      if (batch.parts.length > 0) this.retries.push({ ...batch, reason: 'retry' });
    }
  }

  /**
   * Takes back a micro-batch that was not run: its rows are where they were before. Only those behind which
   * others were planned meanwhile form pieces of their own.
   */
  giveBack(batch: MicroBatch<U>): void {
    this.reused += 1;
    if (batch.reason === 'retry') {
      this.retry(batch);
      return;
    }
    for (const part of batch.parts) {
      const { unit, from, rows } = part;
      if (unit.rows - unit.remaining !== from + rows) {
        this.retry({ parts: [part], rows, reason: 'retry' });
        continue;
      }
      const isWaiting = unit.remaining > 0;
      unit.remaining += rows;
      if (!isWaiting) this.add(unit);
    }
  }

  /** Whether something waits that would go before this micro-batch, or before some of its rows. */
  outranks(batch: MicroBatch<U>, accepts?: (unit: U) => boolean): boolean {
    const [first] = batch.parts;
    const last = batch.parts.at(-1);
    if (first === undefined || last === undefined) return false;
    for (const unit of this.units) {
      // Sorted: none of those that follow is more urgent.
      if (byUrgency(unit, last.unit) >= 0) break;
      const joins = unit.key === first.unit.key && unit.lane === first.unit.lane;
      if ((joins || byUrgency(unit, first.unit) < 0) && accepts?.(unit) !== false) return true;
    }
    return this.retries.some(
      ({ parts }) =>
        byUrgency((parts[0] as Part<U>).unit, first.unit) < 0 &&
        parts.every(({ unit }) => accepts?.(unit) !== false),
    );
  }

  /**
   * A piece of a failed run comes first, the most recently added one, unless something more urgent is
   * waiting.
   */
  private peek(accepts?: (unit: U) => boolean): MicroBatch<U> | undefined {
    let best = planMicroBatch(accepts === undefined ? this.units : this.units.filter(accepts));
    for (const retry of this.retries) {
      if (accepts !== undefined && !retry.parts.every(({ unit }) => accepts(unit))) continue;
      const head = retry.parts[0]?.unit;
      const rival = best?.parts[0]?.unit;
      if (head !== undefined && (rival === undefined || byUrgency(head, rival) <= 0)) best = retry;
    }
    return best;
  }
}
