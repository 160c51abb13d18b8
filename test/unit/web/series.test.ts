import { describe, expect, it } from 'vitest';
import type { JobEvent, RecentPoint, Snapshot, WorkerRow } from '../../../src/lib/serve/dashboard/shapes.js';
import { slotMeans } from '../../../src/web/parts/lane-slots.js';
import type { HistoryPoint } from '../../../src/web/state/history-shapes.js';
import { modelRunOf, phasesOf } from '../../../src/web/state/phases.js';
import { NO_LANES, pointOf, RECENT_MS, withPoint, withWorkers } from '../../../src/web/state/recent.js';
import { liveTimeline, recordedTimeline, withRecorded } from '../../../src/web/state/series.js';

const POINT: RecentPoint = {
  at: 0,
  jobsPerSecond: 1,
  failedPerSecond: 0,
  arrivalsPerSecond: 1,
  waiting: 0,
  active: 0,
  oldestMs: null,
  waitP95Ms: null,
  totalP95Ms: null,
  busy: 0,
};
const point = (at: number): RecentPoint => ({ ...POINT, at });

function snapshot(at: number, workers: Partial<WorkerRow>[] | null, away = false): Snapshot {
  const none = { data: null, at: null, error: null };
  return {
    at,
    redisAwaySince: away ? at : null,
    totals: none,
    workers: { data: workers as WorkerRow[] | null, at, error: null },
  } as unknown as Snapshot;
}

describe('the live charts', () => {
  it('hold five minutes, however long the page is open', () => {
    let points: readonly RecentPoint[] = [];
    for (let second = 0; second < 1000; second++) points = withPoint(points, point(second * 1000));
    expect(points).toHaveLength(RECENT_MS / 1000 + 1);
    expect(points.at(-1)?.at).toBe(999_000);
  });

  it('ignore what is not newer, and begin again where the clock went back by more than they show', () => {
    const points = [point(1_000_000), point(1_001_000)];
    expect(withPoint(points, point(1_001_000))).toBe(points);
    expect(withPoint(points, point(1000))).toEqual([point(1000)]);
  });

  it('know nothing while Redis is away', () => {
    expect(pointOf(snapshot(1000, [], true))).toMatchObject({ at: 1000, jobsPerSecond: null, waiting: null });
  });
});

describe('lanes of devices', () => {
  const worker = (id: string, busy: number): Partial<WorkerRow> => ({
    id,
    busy,
    silent: false,
    gpuMemory: null,
  });

  it('have a sample of every worker for every moment, also of those that came later', () => {
    let lanes = withWorkers(NO_LANES, snapshot(1000, [worker('a', 0.5)]));
    lanes = withWorkers(lanes, snapshot(2000, [worker('a', 0.6), worker('b', 1)]));
    lanes = withWorkers(lanes, snapshot(3000, null, true));
    expect(lanes.at).toEqual([1000, 2000, 3000]);
    expect(lanes.byWorker.get('a')?.busy).toEqual([0.5, 0.6, null]);
    expect(lanes.byWorker.get('b')?.busy).toEqual([null, 1, null]);
  });

  it('forget a worker once nothing of it is shown', () => {
    let lanes = withWorkers(NO_LANES, snapshot(1000, [worker('a', 0.5)]));
    lanes = withWorkers(lanes, snapshot(2000, []));
    expect([...lanes.byWorker.keys()]).toEqual(['a']);
    lanes = withWorkers(lanes, snapshot(1000 + RECENT_MS + 500, []));
    expect([...lanes.byWorker.keys()]).toEqual([]);
  });

  it('are drawn as means of equal parts of the time, and not known where there is no sample', () => {
    expect(slotMeans([0, 10, 50, 100], [0.2, 0.4, null, 1], 0, 100, { slots: 4 })).toEqual([
      expect.closeTo(0.3),
      null,
      null,
      1,
    ]);
  });
});

describe('lanes of recorded minutes', () => {
  it('have no gaps between steps that are longer than a part of the lane', () => {
    const means = slotMeans([0, 50, 100], [0.2, null, 1], 0, 150, { slots: 6, holdMs: 50 });
    expect(means).toEqual([0.2, 0.2, null, null, 1, 1]);
  });

  it('show a step that began before them as far as it reaches into them', () => {
    expect(slotMeans([-30], [0.5], 0, 60, { slots: 3, holdMs: 60 })).toEqual([0.5, 0.5, null]);
  });
});

describe('a recorded series', () => {
  const recorded = (at: number, more: Partial<HistoryPoint> = {}): HistoryPoint => ({
    at,
    ms: 60_000,
    jobs: { completed: 110, failed: 6, expired: 3, cancelled: 1 },
    added: 60,
    rows: 1000,
    waitMs: { p50: 1, p95: 2 },
    runMs: null,
    totalMs: null,
    batches: { count: 0, rows: null },
    backlog: null,
    busy: null,
    load: null,
    ...more,
  });

  it('has every step; those that were not recorded are a gap and not zero', () => {
    const { at, jobs, failed, added, wait, waiting } = recordedTimeline({
      stepMs: 60_000,
      from: 0,
      to: 240_000,
      points: [recorded(0), recorded(180_000, { ms: 30_000, added: null })],
    });
    expect(at).toEqual([0, 60_000, 120_000, 180_000]);
    expect(jobs).toEqual([2, null, null, 4]);
    expect(failed).toEqual([0.1, null, null, 0.2]);
    expect(added).toEqual([1, null, null, null]);
    expect(wait).toEqual([2, null, null, 2]);
    expect(waiting).toEqual([null, null, null, null]);
  });
});

describe('live charts that begin when the page is opened', () => {
  it('have before their first point what was recorded, as far as they show it', () => {
    const now = 600_000;
    const live = liveTimeline([point(now - 2000), point(now - 1000)], now);
    const recorded = { ...live, at: [240_000, 300_000, 540_000, 599_000], jobs: [9, 8, null, 7] };
    const { at, jobs, from, to } = withRecorded(live, recorded);
    expect({ from, to }).toEqual({ from: now - RECENT_MS, to: now });
    expect(at).toEqual([300_000, 540_000, 598_000, 599_000]);
    expect(jobs).toEqual([8, null, 1, 1]);
  });

  it('are what was recorded before the first point came', () => {
    const live = liveTimeline([], 600_000);
    expect(withRecorded(live, { ...live, at: [360_000], jobs: [3] })).toMatchObject({
      at: [360_000],
      jobs: [3],
    });
  });
});

describe('the waterfall of a job', () => {
  const events: JobEvent[] = [
    { at: 0, event: 'submitted' },
    { at: 600, event: 'started', worker: 'gpu-1', attempt: 1 },
    { at: 700, event: 'retried', code: 'MODEL_RUN', message: 'NaN' },
    { at: 2000, event: 'started', worker: 'gpu-2', attempt: 2 },
    { at: 2100, event: 'completed' },
  ];

  it('has a phase between each two events', () => {
    expect(phasesOf(events, 9000)).toMatchObject([
      { kind: 'queue', name: 'waiting', from: 0, to: 600, end: 'taken by gpu-1' },
      {
        kind: 'bad',
        name: 'attempt 1',
        to: 700,
        worker: 'gpu-1',
        end: 'failed, to be tried again (MODEL_RUN: NaN)',
      },
      { kind: 'queue', name: 'waiting for a retry', to: 2000 },
      { kind: 'run', name: 'attempt 2', to: 2100, end: 'completed', open: false },
    ]);
  });

  it('has the run inside the last attempt, so that Wait and Run of the job are seen in it', () => {
    const job = { submittedAt: 0, finishedAt: 2100, queueMs: 2030, runMs: 40 };
    const phases = phasesOf(events, 9000, modelRunOf(job));
    expect(phases).toHaveLength(7);
    expect(phases.slice(4)).toMatchObject([
      { kind: 'queue', name: 'before the run', from: 2000, to: 2030, within: true, worker: 'gpu-2' },
      { kind: 'run', name: 'run', from: 2030, to: 2070 },
      { kind: 'queue', name: 'after the run', from: 2070, to: 2100 },
    ]);
  });

  it('keeps the run within its attempt, though the clocks of worker and Redis differ', () => {
    const early = modelRunOf({ submittedAt: 0, finishedAt: 2100, queueMs: 1990, runMs: 500 });
    expect(phasesOf(events, 9000, early).slice(4)).toMatchObject([
      { from: 2000, to: 2000 },
      { from: 2000, to: 2100 },
      { from: 2100, to: 2100 },
    ]);
  });

  it('has no run where none was recorded, or while it has not ended', () => {
    const job = { submittedAt: 0, finishedAt: 2100, queueMs: 2030, runMs: 40 };
    for (const missing of [{ finishedAt: null }, { queueMs: null }, { runMs: null }]) {
      expect(modelRunOf({ ...job, ...missing })).toBeUndefined();
    }
    expect(phasesOf(events.slice(0, 4), 9000, modelRunOf(job))).toHaveLength(4);
    expect(phasesOf(events.slice(0, 3), 9000, modelRunOf(job))).toHaveLength(3);
  });

  it('ends now for a job that has not ended', () => {
    expect(phasesOf(events.slice(0, 2), 5000).at(-1)).toMatchObject({
      to: 5000,
      open: true,
      end: 'still running',
    });
    expect(phasesOf(events.slice(0, 1), 5000)).toMatchObject([{ to: 5000, end: 'still waiting' }]);
  });
});
