import type { Priority } from '../core/job.js';

/** Work waiting in the worker, in the planner's eyes: some rows of one job. */
export interface Unit {
  /** Place of its queue in `-Q`: 0 is the most urgent lane. */
  readonly lane: number;
  readonly priority: Priority;
  /** Arrival number; first come, first served within lane and priority. */
  readonly order: number;
  /** Model and shape key: only equal ones share a run. */
  readonly key: string;
  /** Most rows its model takes in one run. */
  readonly cap: number;
  /** All rows of the job, and how many of them (the last ones) were not yet in a run. */
  readonly rows: number;
  readonly remaining: number;
  /** When it was submitted, ms since the epoch: the batch window counts from here. */
  readonly enqueuedAt: number;
}

/** Why a micro-batch was closed, for people who ask whether batching works. */
export type CloseReason = 'full' | 'idle' | 'window' | 'retry';

/** Rows `from..from + rows` of a unit. */
export interface Part<U extends Unit> {
  unit: U;
  from: number;
  rows: number;
}

export interface MicroBatch<U extends Unit> {
  parts: Part<U>[];
  rows: number;
  reason: CloseReason;
}

/** Negative when `a` goes first: by lane, then priority, then arrival. */
export function byUrgency(
  a: Pick<Unit, 'lane' | 'priority' | 'order'>,
  b: Pick<Unit, 'lane' | 'priority' | 'order'>,
): number {
  return a.lane - b.lane || b.priority - a.priority || a.order - b.order;
}

/**
 * The next micro-batch of units sorted by urgency: the most urgent unit chooses the key, and units
 * of that key join in order of urgency until the cap. A unit of another key is passed over, not a
 * reason to stop, so mixed shapes do not degrade to batches of one. Pure.
 */
export function planMicroBatch<U extends Unit>(units: readonly U[]): MicroBatch<U> | undefined {
  const first = units[0];
  if (first === undefined) return undefined;
  const parts: Part<U>[] = [];
  let room = Math.max(1, first.cap);
  for (const unit of units) {
    if (unit.key !== first.key) continue;
    const rows = Math.min(unit.remaining, room);
    parts.push({ unit, from: unit.rows - unit.remaining, rows });
    room -= rows;
    if (room === 0) break;
  }
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  return { parts, rows, reason: room === 0 ? 'full' : 'idle' };
}

/**
 * Milliseconds to hold a micro-batch that is not full: until `windowMs` after its oldest row was
 * submitted. 0 = run now. Pure.
 */
export function holdFor<U extends Unit>(batch: MicroBatch<U>, windowMs: number, now: number): number {
  if (windowMs <= 0 || batch.reason === 'full') return 0;
  const oldest = Math.min(...batch.parts.map((part) => part.unit.enqueuedAt));
  return Math.max(0, oldest + windowMs - now);
}

/** A failed micro-batch of several jobs in two halves, each to run apart; the culprit ends up alone. */
export function bisect<U extends Unit>(batch: MicroBatch<U>): [MicroBatch<U>, MicroBatch<U>] {
  const middle = Math.ceil(batch.parts.length / 2);
  const half = (parts: Part<U>[]): MicroBatch<U> => ({
    parts,
    rows: parts.reduce((sum, part) => sum + part.rows, 0),
    reason: 'retry',
  });
  return [half(batch.parts.slice(0, middle)), half(batch.parts.slice(middle))];
}
