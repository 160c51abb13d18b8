import { readDamage } from '../queue/damage.js';
import { type QueueSnapshot, snapshotQueue } from '../queue/read/inspector.js';
import { jobsAdded } from '../queue/read/jobs-added.js';
import { listQueues } from '../queue/read/reader.js';
import { listWorkers, publishedModels } from '../queue/registry.js';
import { type UnservedJobs, unservedJobs } from '../queue/routes.js';
import { listStarting, type StartingWorker } from '../queue/starting.js';
import type { WorkerRecord } from '../queue/types.js';
import { readWorkerTotals, type WorkFigures } from '../queue/work-stats.js';
import { type RedisFacts, readMasters } from '../redis/info.js';
import type { RedisClient } from '../redis/types.js';
import type { Shown } from './shown.js';

/**
 * A queue, the number of jobs ever submitted to it, the waiting jobs that no worker can run, and numbers of
 * damaged keys and jobs.
 */
export type QueueReading = QueueSnapshot & {
  submitted: number;
  unserved: UnservedJobs[];
  damaged: { keys: number; jobs: number };
};

/** The data for all metrics, from one reading of Redis. */
export interface MetricsSnapshot {
  /** Milliseconds since the epoch. */
  at: number;
  redis: { node: string; facts: RedisFacts }[];
  queues: QueueReading[];
  workers: WorkerRecord[];
  /** Workers that are loading their models and take no jobs yet. */
  starting: StartingWorker[];
  /** Names of models ever published by workers. */
  models: string[];
  /** What each worker did since it started, by worker id and queue. */
  work: ReadonlyMap<string, ReadonlyMap<string, WorkFigures>>;
  /** Numbers of queues and workers left out because there are too many. */
  hidden: { queues: number; workers: number };
}

/** Names become labels, and every label is a time series that lives for years: both are limited. */
export const MOST_QUEUES = 200;
export const MOST_WORKERS = 1000;

/**
 * Reads everything with read-only commands in one pipeline: an inspector's rights are enough.
 * @param chosen which queues and workers are shown if there are more than 200 and 1000
 * @param only these queues; undefined for all
 */
export async function readSnapshot(
  client: RedisClient,
  prefix: string,
  now: number,
  chosen: { queues: Shown; workers: Shown },
  only?: readonly string[],
): Promise<MetricsSnapshot> {
  const [masters, names, everyWorker, starting, models] = await Promise.all([
    readMasters(client),
    only ?? listQueues(client, prefix),
    listWorkers(client, prefix),
    listStarting(client, prefix, now),
    publishedModels(client, prefix),
  ]);
  const shown = chosen.queues.choose(names, (name) => name);
  const workers = chosen.workers.choose(everyWorker, ({ id }) => id);
  const [queues, work] = await Promise.all([
    Promise.all(shown.map((name) => readQueue(client, prefix, name, now, everyWorker, starting))),
    readWorkerTotals(
      client,
      prefix,
      workers.map((worker) => worker.id),
    ),
  ]);
  return {
    at: now,
    redis: masters,
    queues,
    workers,
    starting,
    models: models.map((model) => model.name),
    work,
    hidden: { queues: names.length - shown.length, workers: everyWorker.length - workers.length },
  };
}

async function readQueue(
  client: RedisClient,
  prefix: string,
  name: string,
  now: number,
  workers: readonly WorkerRecord[],
  starting: readonly StartingWorker[],
): Promise<QueueReading> {
  const [snapshot, submitted, damage] = await Promise.all([
    snapshotQueue(client, prefix, name, now, workers),
    jobsAdded(client, prefix, name),
    readDamage(client, prefix, name),
  ]);
  const unserved = unservedJobs(snapshot, workers, starting);
  return { ...snapshot, submitted, unserved, damaged: { keys: damage.keys.length, jobs: damage.jobCount } };
}
