import type { RecentPoint, Snapshot } from '../../lib/serve/dashboard/shapes.js';

/** What the live charts show. */
export const RECENT_MS = 300_000;

/** The point of a snapshot in the live charts. Null where Redis did not answer. */
export function pointOf({ at, redisAwaySince, totals }: Snapshot): RecentPoint {
  const data = redisAwaySince === null && totals.error === null ? totals.data : null;
  const figures = data?.lastMinute;
  return {
    at,
    jobsPerSecond: data?.jobsPerSecond ?? (data === null ? null : 0),
    failedPerSecond: figures === undefined ? null : (figures.failed * 1000) / figures.windowMs,
    arrivalsPerSecond: data?.arrivalsPerSecond ?? (data === null ? null : 0),
    waiting: data?.waiting ?? null,
    active: data?.active ?? null,
    oldestMs: data?.oldestMs ?? null,
    waitP95Ms: figures?.waitMs?.p95 ?? null,
    totalP95Ms: figures?.totalMs?.p95 ?? null,
    busy: data?.busy ?? null,
  };
}

/** Adds a point, and drops what is older than the live charts show. Points that are not newer are ignored. */
export function withPoint(points: readonly RecentPoint[], point: RecentPoint): readonly RecentPoint[] {
  const last = points.at(-1);
  if (last !== undefined && point.at <= last.at) {
    // Redis's clock went back: start again, since a chart's time only goes forward.
    return last.at - point.at > RECENT_MS ? [point] : points;
  }
  const from = points.findIndex(({ at }) => at >= point.at - RECENT_MS);
  return from < 0 ? [point] : [...points.slice(from), point];
}

/** One worker's share of the last minutes, by the same times as all others. */
export interface Lane {
  busy: (number | null)[];
  gpuUse: (number | null)[];
  gpuMemory: (number | null)[];
}

/** What the lanes of devices show: samples of all workers at the same moments. */
export interface Lanes {
  at: number[];
  byWorker: ReadonlyMap<string, Lane>;
}

export const NO_LANES: Lanes = { at: [], byWorker: new Map() };

/**
 * Adds the workers of a snapshot. A worker that has left keeps its lane until the last sample in which it was there
 * is older than what is shown.
 */
export function withWorkers(lanes: Lanes, { at, workers, redisAwaySince }: Snapshot): Lanes {
  const last = lanes.at.at(-1);
  if (last !== undefined && at <= last) return last - at > RECENT_MS ? NO_LANES : lanes;
  const first = lanes.at.findIndex((one) => one >= at - RECENT_MS);
  const from = first < 0 ? lanes.at.length : first;
  const times = [...lanes.at.slice(from), at];
  const rows = redisAwaySince === null && workers.error === null ? (workers.data ?? []) : [];
  const now = new Map(rows.filter(({ silent }) => !silent).map((row) => [row.id, row]));
  const byWorker = new Map<string, Lane>();
  for (const id of new Set([...now.keys(), ...lanes.byWorker.keys()])) {
    const row = now.get(id);
    const lane = lanes.byWorker.get(id);
    const memory = row?.gpuMemory ?? null;
    const extended = (old: (number | null)[] | undefined, value: number | null) => [
      ...(old?.slice(from) ?? new Array<null>(times.length - 1).fill(null)),
      value,
    ];
    const next: Lane = {
      busy: extended(lane?.busy, row?.busy ?? null),
      gpuUse: extended(lane?.gpuUse, memory?.utilisation ?? null),
      gpuMemory: extended(
        lane?.gpuMemory,
        memory === null || memory.totalBytes === 0 ? null : memory.usedBytes / memory.totalBytes,
      ),
    };
    if (row !== undefined || next.busy.some((share) => share !== null)) byWorker.set(id, next);
  }
  return { at: times, byWorker };
}
