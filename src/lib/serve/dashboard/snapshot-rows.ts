import type { Sketch } from '../../core/sketch.js';
import { isSilent } from '../../deployment/judgements.js';
import type { LiveFigures, ModelFigures } from '../../deployment/live/live-figures.js';
import type { LiveQueue } from '../../deployment/live/live-queues.js';
import type { LiveRedis } from '../../deployment/live/live-reader.js';
import type { LiveWorker } from '../../deployment/live/live-workers.js';
import { etaWithOneMore } from '../../deployment/live/one-more.js';
import type { AutoscalerRecord } from '../../queue/autoscalers.js';
import { shownWaits } from '../../queue/device-busy.js';
import { servingWorkers } from '../../queue/serving.js';
import type { StartingWorker } from '../../queue/starting.js';
import { WorkFigures } from '../../queue/work-stats.js';
import { memoryState } from '../../redis/memory-state.js';
import type { RedisTarget } from '../../redis/types.js';
import type {
  AutoscalerRow,
  Figures,
  ModelRow,
  QueueRow,
  RedisRow,
  Spread,
  StartingRow,
  WorkerRow,
} from './shapes.js';

/** Of a worker or model that did nothing within the last minute. */
export const NO_WORK: LiveFigures = { figures: new WorkFigures(), windowMs: 60_000 };

/* Rows of the snapshot, from what `deployment/live` reads. All pure. */

export function figuresRow({ figures, windowMs }: LiveFigures): Figures {
  const { jobs, batchRows } = figures;
  const seconds = Math.max(1000, windowMs) / 1000;
  return {
    windowMs: Math.max(1000, windowMs),
    jobsPerSecond: rounded(figures.ended / seconds),
    rowsPerSecond: rounded(figures.rows / seconds),
    ...jobs,
    waitMs: spread(figures.wait),
    runMs: spread(figures.run),
    totalMs: spread(figures.total),
    runs: batchRows.count,
    rowsPerRun:
      batchRows.count === 0
        ? null
        : {
            mean: rounded(batchRows.sum / batchRows.count),
            p50: rounded(batchRows.quantile(0.5) as number),
            max: rounded(batchRows.max as number),
          },
    closed: { ...figures.closed },
    failures: { ...figures.codes },
  };
}

function spread(sketch: Sketch): Spread | null {
  if (sketch.count === 0) return null;
  const at = (q: number) => rounded(sketch.quantile(q) as number);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: rounded(sketch.max as number) };
}

/** Three decimals, as in `inspect --json`. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

export function queueRow({ snapshot, work, readAt }: LiveQueue, workers: readonly LiveWorker[]): QueueRow {
  const records = workers.map(({ record }) => record);
  const serving = servingWorkers(records, snapshot.name).length;
  return {
    name: snapshot.name,
    paused: snapshot.paused,
    waiting: snapshot.waiting,
    active: snapshot.active,
    delayed: snapshot.delayed,
    failed: snapshot.failed,
    completed: snapshot.completed,
    expired: snapshot.expired,
    cancelled: snapshot.cancelled,
    byPriority: snapshot.byPriority,
    oldestMs: snapshot.oldestMs ?? null,
    ratePerSecond: snapshot.ratePerSecond,
    arrivalsPerSecond: snapshot.arrivalsPerSecond,
    etaMs: snapshot.etaMs,
    etaOneMoreMs: etaWithOneMore(snapshot, serving),
    growing: snapshot.growing,
    unmatched: { ...snapshot.unmatched },
    workers: serving,
    lastMinute: figuresRow({ figures: work.total, windowMs: work.windowMs }),
    readAt,
  };
}

export function workerRow({ record, readAt, busy }: LiveWorker, lastMinute: Figures): WorkerRow {
  const { notStarted = {}, runs = [], gpuMemory, modelProblems = [], deviceBusy } = record;
  return {
    id: record.id,
    name: record.name,
    host: record.host,
    pid: record.pid,
    version: record.version,
    state: record.state,
    silent: isSilent(record, readAt),
    beatAgeMs: Math.max(0, readAt - record.beatAt),
    startedAt: record.startedAt,
    device: record.device,
    gpu: record.gpu,
    gpuMemory: gpuMemory ?? null,
    queues: record.queues,
    models: record.models.map(({ name, version, batch, unbatched }) => ({
      name,
      version,
      batch,
      unbatched: unbatched?.text ?? null,
    })),
    modelProblems: modelProblems.map(({ model, version, code, message, hint }) => ({
      model,
      version,
      code,
      message,
      hint,
    })),
    concurrency: record.concurrency,
    autoscale: record.autoscale ?? null,
    threads: record.threads ?? null,
    maxBatch: record.maxBatch,
    batchWindowMs: record.batchWindowMs,
    active: record.active.length,
    notStarted: Object.values(notStarted).reduce((sum, held) => sum + held.reduce((a, b) => a + b, 0), 0),
    runs: runs.map(({ model, sinceMs }) => ({ model, sinceMs })),
    jobsDone: record.jobsDone,
    jobsFailed: record.jobsFailed,
    rowsDone: record.rowsDone,
    rssBytes: record.rssBytes,
    loopLagMs: record.loopLagMs,
    busy: busy === undefined ? null : rounded(busy),
    deviceBusy:
      deviceBusy === undefined
        ? null
        : {
            share: rounded(deviceBusy.share),
            waits: shownWaits(deviceBusy).map(({ what, share }) => ({ what, share: rounded(share) })),
          },
    lastMinute,
  };
}

export function startingRow(starting: StartingWorker, now: number): StartingRow {
  const { id, name, queues, models, beatAt } = starting;
  return { id, name, queues, models, beatAgeMs: Math.max(0, now - beatAt) };
}

/** Models that worked within the last minute, or that a worker serves; sorted by name. */
export function modelRows(models: readonly ModelFigures[], workers: readonly LiveWorker[]): ModelRow[] {
  const worked = new Map(models.map((model) => [model.model, model]));
  const served = new Map<string, { versions: Set<number>; workers: number }>();
  for (const { record } of workers) {
    for (const { name, version } of record.models) {
      const one = served.get(name) ?? { versions: new Set<number>(), workers: 0 };
      one.versions.add(version);
      one.workers += 1;
      served.set(name, one);
    }
  }
  const names = [...new Set([...worked.keys(), ...served.keys()])].sort((a, b) => a.localeCompare(b));
  return names.map((name) => {
    const did = worked.get(name);
    const ended = did?.figures.ended ?? 0;
    return {
      name,
      versions: [...(served.get(name)?.versions ?? [])].sort((a, b) => b - a),
      workers: served.get(name)?.workers ?? 0,
      queues: [...(did?.byQueue ?? [])].map(([queue, { figures, windowMs }]) => ({
        queue,
        jobs: figures.ended,
        jobsPerSecond: rounded((figures.ended * 1000) / Math.max(1000, windowMs)),
        share: ended === 0 ? 0 : rounded(figures.ended / ended),
      })),
      lastMinute: figuresRow(did ?? NO_WORK),
    };
  });
}

/** An autoscaler's earlier decisions, the newest first. */
export type Decision = AutoscalerRow['decisions'][number];

export function autoscalerRow(record: AutoscalerRecord, decisions: readonly Decision[]): AutoscalerRow {
  return {
    id: record.id,
    host: record.host,
    pool: record.pool,
    queues: record.queues,
    policy: record.policy,
    dryRun: record.dryRun,
    min: record.min,
    max: record.max,
    targetWaitMs: record.targetWaitMs,
    decidedAt: record.decidedAt,
    desired: record.desired,
    ...runningOf(record),
    hold: record.hold,
    reason: record.reason,
    workers: record.workers.map(({ name, slot, gpu, state, since }) => ({ name, slot, gpu, state, since })),
    troubles: record.troubles.map(({ slot, state, reason }) => ({ slot, state, reason })),
    decisions: [...decisions],
  };
}

/** Workers that run, and those of them that take jobs. */
export function runningOf({ workers }: AutoscalerRecord): { running: number; ready: number } {
  const ready = workers.filter(({ state }) => state === 'ready' || state === 'busy').length;
  return { running: workers.length, ready };
}

export function redisRow({ facts, latencyMs }: LiveRedis, target: RedisTarget): RedisRow {
  const ops = Number(facts.raw.get('instantaneous_ops_per_sec') ?? Number.NaN);
  return {
    label: target.label,
    source: target.source,
    version: facts.version,
    usedMemoryBytes: facts.usedMemory,
    maxMemoryBytes: facts.maxMemory,
    policy: facts.policy,
    memory: memoryState(facts),
    evictedKeys: facts.evictedKeys,
    connectedClients: facts.connectedClients,
    opsPerSecond: Number.isFinite(ops) ? ops : null,
    uptimeSeconds: facts.uptimeSeconds,
    latencyMs: rounded(latencyMs),
  };
}
