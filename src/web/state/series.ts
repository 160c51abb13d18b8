import type { RecentPoint } from '../../lib/serve/dashboard/shapes.js';
import type { History, HistoryPoint, Range } from './history-shapes.js';
import { RECENT_MS } from './recent.js';

/** Values over time, and the time that a chart shows. */
export interface Timeline {
  at: readonly number[];
  from: number;
  to: number;
  /** Each null where it is not known. */
  jobs: readonly (number | null)[];
  failed: readonly (number | null)[];
  added: readonly (number | null)[];
  wait: readonly (number | null)[];
  run: readonly (number | null)[];
  total: readonly (number | null)[];
  waiting: readonly (number | null)[];
  oldest: readonly (number | null)[];
  busy: readonly (number | null)[];
  /** Rows of one run. */
  rowsPerRun: readonly (number | null)[];
  /** Of its GPU's memory, and of its time. */
  gpuMemory: readonly (number | null)[];
  gpuUse: readonly (number | null)[];
}

type Values = Omit<Record<keyof Timeline, number | null>, 'at' | 'from' | 'to'>;

/** What the charts over five minutes show. */
export function liveTimeline(points: readonly RecentPoint[], now: number): Timeline {
  return timeline(
    points.map((point) => ({
      at: point.at,
      jobs: point.jobsPerSecond,
      failed: point.failedPerSecond,
      added: point.arrivalsPerSecond,
      wait: point.waitP95Ms,
      run: null,
      total: point.totalP95Ms,
      waiting: point.waiting,
      oldest: point.oldestMs,
      busy: point.busy,
      rowsPerRun: null,
      gpuMemory: null,
      gpuUse: null,
    })),
    now - RECENT_MS,
    now,
  );
}

/** The live charts, with what was recorded before their first point: no one may have looked until now. */
export function withRecorded(live: Timeline, recorded: Timeline): Timeline {
  const first = live.at[0] ?? live.to;
  const earlier = recorded.at.flatMap((at, index) => (at >= live.from && at < first ? [index] : []));
  const joined = (name: 'at' | keyof Values) => [
    ...earlier.map((index) => recorded[name][index] ?? null),
    ...live[name],
  ];
  const columns = Object.fromEntries(NAMES.map((name) => [name, joined(name)]));
  return { ...live, ...columns, at: joined('at') as number[] };
}

/** Every step of a recorded series; those without a point are not known. */
export function recordedTimeline({ from, to, stepMs, points }: History): Timeline {
  const byStep = new Map(points.map((point) => [point.at, point]));
  const steps: (Values & { at: number })[] = [];
  for (let at = from; at < to; at += stepMs) {
    const point = byStep.get(at);
    steps.push({ at, ...(point === undefined ? UNKNOWN : valuesOf(point)) });
  }
  return timeline(steps, from, to);
}

/** How often a recorded series is read again: it gains a step each minute, or each hour. */
export function refreshMs(range: Range): number {
  return range === '14d' ? 300_000 : range === '24h' ? 60_000 : 15_000;
}

function valuesOf(point: HistoryPoint): Values {
  const { jobs, ms, load } = point;
  const perSecond = (count: number | null) => (count === null || ms <= 0 ? null : (count * 1000) / ms);
  const gpu = load?.gpu ?? null;
  return {
    jobs: perSecond(jobs.completed + jobs.failed + jobs.expired + jobs.cancelled),
    failed: perSecond(jobs.failed),
    added: perSecond(point.added),
    wait: point.waitMs?.p95 ?? null,
    run: point.runMs?.p95 ?? null,
    total: point.totalMs?.p95 ?? null,
    waiting: point.backlog?.waiting.mean ?? null,
    oldest: point.backlog?.oldestMs ?? null,
    busy: point.busy,
    rowsPerRun: point.batches.rows,
    gpuMemory: gpu === null || gpu.totalBytes === 0 ? null : gpu.usedBytes / gpu.totalBytes,
    gpuUse: gpu?.utilisation ?? null,
  };
}

const UNKNOWN: Values = {
  jobs: null,
  failed: null,
  added: null,
  wait: null,
  run: null,
  total: null,
  waiting: null,
  oldest: null,
  busy: null,
  rowsPerRun: null,
  gpuMemory: null,
  gpuUse: null,
};

const NAMES = Object.keys(UNKNOWN) as (keyof Values)[];

function timeline(steps: readonly (Values & { at: number })[], from: number, to: number): Timeline {
  const columns = Object.fromEntries(
    NAMES.map((name) => [name, steps.map((step) => step[name])] as const),
  ) as Record<keyof Values, (number | null)[]>;
  return { at: steps.map(({ at }) => at), from, to, ...columns };
}
