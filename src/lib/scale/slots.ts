import type { WorkerView } from './observation.js';

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;
const MOST_FAILURES = 5;
/** A worker that was ready this long has shown that its slot works. */
const SOUND_MS = 60_000;

/** The failures recorded for a slot. */
export interface SlotRecord {
  readonly failures: number;
  /** No start before this, ms since the epoch. */
  readonly retryAt: number;
  /** Not used any more, after five failures in a row. */
  readonly failed: boolean;
}

export type SlotRecords = Readonly<Record<string, SlotRecord>>;

/** 5 s after the first failure, doubled up to 5 min; the fifth in a row is final. */
function afterFailure(record: SlotRecord | undefined, now: number): SlotRecord {
  const failures = (record?.failures ?? 0) + 1;
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
  return { failures, retryAt: now + pause, failed: failures >= MOST_FAILURES };
}

/** Records after this tick: failures added, and those of slots with a stable worker removed. */
export function updateSlots(
  records: SlotRecords,
  now: number,
  failures: readonly string[],
  workers: readonly WorkerView[],
  readySince: Readonly<Record<string, number>>,
): SlotRecords {
  const next: Record<string, SlotRecord> = { ...records };
  for (const slot of failures) next[slot] = afterFailure(next[slot], now);
  for (const { id, slot } of workers) {
    const since = readySince[id];
    if (slot !== null && since !== undefined && now - since >= SOUND_MS) delete next[slot];
  }
  return next;
}

/** Slots in which a worker could be started now, in the given order. */
export function usableSlots(
  records: SlotRecords,
  now: number,
  slots: readonly string[],
  workers: readonly WorkerView[],
): string[] {
  const used = new Set(workers.map((worker) => worker.slot));
  return slots.filter((slot) => {
    const record = records[slot];
    return !used.has(slot) && (record === undefined || (!record.failed && now >= record.retryAt));
  });
}
