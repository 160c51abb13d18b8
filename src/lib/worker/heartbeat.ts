import { hostname } from 'node:os';
import { MAX_PRIORITY } from '../core/job.js';
import type { ModelSignature } from '../model/signature.js';
import { LAYOUTS, marksOf } from '../queue/layout.js';
import type { Unbatched, WorkerRecord } from '../queue/types.js';
import type { BatchSizes } from './batch-sizes.js';
import type { HeldJob } from './held-jobs.js';
import type { Runs } from './runs.js';
import type { ServedModels } from './served-models.js';
import type { WorkerOptions } from './worker-parts.js';

/** The inputs for a worker's heartbeat. */
export interface BeatFacts {
  options: WorkerOptions;
  startedAt: number;
  now: number;
  state: WorkerRecord['state'];
  queues: string[];
  models: ServedModels;
  sizes: BatchSizes;
  concurrency: number;
  runs: Pick<Runs, 'jobs' | 'clocked' | 'count' | 'busy'>;
  held: Iterable<HeldJob>;
  counts: { done: number; rows: number; failed: number };
  busyMs: number;
}

/** The current record of a worker; memory and event-loop lag are those of its process. */
export function beatOf(facts: BeatFacts): Omit<WorkerRecord, 'rssBytes' | 'loopLagMs'> {
  const { options, models, sizes, now } = facts;
  const deviceBusy = facts.runs.busy;
  const layouts = marksOf(options.layouts ?? LAYOUTS);
  const devices = new Set(models.all.map(({ loaded }) => loaded.device));
  return {
    id: options.id,
    name: options.name,
    host: hostname(),
    pid: process.pid,
    version: options.version,
    startedAt: facts.startedAt,
    beatAt: now,
    state: facts.state,
    gpu: options.gpu,
    device: [...devices].join(', ') || 'cpu',
    queues: facts.queues,
    models: models.all.map(({ session, chosen, loaded: { signature } }) => ({
      name: signature.name,
      version: signature.version,
      batch: sizes.of(session),
      ...measuredSizes(sizes.measured(session)),
      ...unbatched(signature, sizes.mixedBy(session)),
      digest: signature.digest,
      ...(chosen === true ? { chosen } : {}),
    })),
    ...(layouts.length === 0 ? {} : { layouts }),
    concurrency: facts.concurrency,
    maxBatch: sizes.largest,
    batchWindowMs: options.batchWindowMs,
    active: [...facts.runs.jobs].map((job) => ({
      id: job.id,
      queue: job.job.spec.queue,
      model: job.job.spec.model,
      rows: job.rows,
      sinceMs: now - (job.startedAt ?? now),
      attempt: job.job.attempt,
    })),
    runs: facts.runs.clocked.runs,
    notStarted: notStarted(facts.held),
    jobsDone: facts.counts.done,
    rowsDone: facts.counts.rows,
    jobsFailed: facts.counts.failed,
    batches: facts.runs.count,
    busyMs: facts.busyMs,
    ...(deviceBusy === undefined ? {} : { deviceBusy }),
  };
}

function notStarted(held: Iterable<HeldJob>): Record<string, number[]> {
  const byQueue: Record<string, number[]> = {};
  for (const { started, over, priority, job } of held) {
    if (started || over) continue;
    const { queue } = job.spec;
    byQueue[queue] ??= Array.from({ length: MAX_PRIORITY + 1 }, () => 0);
    const counts = byQueue[queue] as number[];
    counts[priority] = (counts[priority] ?? 0) + 1;
  }
  return byQueue;
}

/** Why its rows run one at a time, if they do. */
function measuredSizes(sizes: [number, number][]): { sizes?: [number, number][] } {
  return sizes.length === 0 ? {} : { sizes };
}

function unbatched({ batching }: ModelSignature, mixedBy: string | undefined): { unbatched?: Unbatched } {
  if (mixedBy !== undefined) return { unbatched: { reason: 'ROWS_MIXED', text: mixedBy } };
  if (batching === undefined || batching.ok) return {};
  return { unbatched: { reason: batching.reason, text: batching.text } };
}
