import { isSilent } from '../../deployment/judgements.js';
import type { LiveFigures } from '../../deployment/live/live-figures.js';
import type { LiveQueue } from '../../deployment/live/live-queues.js';
import type { LiveWorker } from '../../deployment/live/live-workers.js';
import type { RecentPoint, Totals } from './shapes.js';
import { figuresRow, rounded } from './snapshot-rows.js';

const COUNTS = ['waiting', 'active', 'delayed', 'failed', 'completed', 'expired', 'cancelled'] as const;

/** All queues and workers together. Pure. */
export function totalsOf(
  queues: readonly LiveQueue[],
  workers: readonly LiveWorker[],
  minute: LiveFigures,
): Totals {
  const snapshots = queues.map(({ snapshot }) => snapshot);
  const counts = Object.fromEntries(
    COUNTS.map((name) => [name, snapshots.reduce((sum, queue) => sum + queue[name], 0)]),
  ) as Record<(typeof COUNTS)[number], number>;
  const ages = snapshots.flatMap(({ oldestMs }) => oldestMs ?? []);
  const busy = workers.flatMap((worker) => worker.busy ?? []);
  const { ended, jobs } = minute.figures;
  return {
    ...counts,
    queues: queues.length,
    pausedQueues: snapshots.filter(({ paused }) => paused).length,
    workers: workers.length,
    silentWorkers: workers.filter(({ record, readAt }) => isSilent(record, readAt)).length,
    oldestMs: ages.length === 0 ? null : Math.max(...ages),
    jobsPerSecond: sumKnown(snapshots.map(({ ratePerSecond }) => ratePerSecond)),
    arrivalsPerSecond: sumKnown(snapshots.map(({ arrivalsPerSecond }) => arrivalsPerSecond)),
    etaMs: longestEta(queues),
    failedShare: ended === 0 ? null : rounded(jobs.failed / ended),
    devices: new Set(workers.map(({ record }) => deviceOf(record))).size,
    busy: busy.length === 0 ? null : rounded(busy.reduce((sum, share) => sum + share, 0) / busy.length),
    lastMinute: figuresRow(minute),
  };
}

/** Workers may share a GPU; on CPUs each counts for itself. */
function deviceOf({ id, host, gpu }: { id: string; host: string; gpu: string | null }): string {
  return gpu === null ? id : `${host} ${gpu}`;
}

function sumKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : rounded(known.reduce((sum, value) => sum + value, 0));
}

/** Queues drain side by side; unknown as soon as one of them is. */
function longestEta(queues: readonly LiveQueue[]): number | null {
  const waiting = queues.filter(({ snapshot }) => snapshot.waiting > 0);
  if (waiting.length === 0) return null;
  const etas = waiting.map(({ snapshot }) => snapshot.etaMs);
  return etas.includes(null) ? null : Math.max(...(etas as number[]));
}

/** One point of the charts; without totals nothing was known at that moment. */
export function recentPoint(at: number, totals: Totals | undefined): RecentPoint {
  const minute = totals?.lastMinute;
  return {
    at,
    jobsPerSecond: totals?.jobsPerSecond ?? (totals === undefined ? null : 0),
    failedPerSecond: minute === undefined ? null : rounded((minute.failed * 1000) / minute.windowMs),
    arrivalsPerSecond: totals?.arrivalsPerSecond ?? (totals === undefined ? null : 0),
    waiting: totals?.waiting ?? null,
    active: totals?.active ?? null,
    oldestMs: totals?.oldestMs ?? null,
    waitP95Ms: minute?.waitMs?.p95 ?? null,
    totalP95Ms: minute?.totalMs?.p95 ?? null,
    busy: totals?.busy ?? null,
  };
}
