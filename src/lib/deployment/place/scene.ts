import { MAX_PRIORITY } from '../../core/job.js';
import type { Sketch } from '../../core/sketch.js';
import { heldAhead } from '../../queue/read/inspector.js';
import type { QueuePulse } from '../../queue/read/queue-pulse.js';
import { servedRoutes, unservedJobs } from '../../queue/routes.js';
import { servingWorkers } from '../../queue/serving.js';
import { type StartingWorker, startsFor } from '../../queue/starting.js';
import type { WorkerRecord } from '../../queue/types.js';
import { sumOf } from '../figures.js';
import { isSilent } from '../judgements.js';
import { longestRun, restOfRuns } from './eta.js';
import type { Situation } from './reasons.js';
import { type Service, serviceOf, tellingBuckets } from './service.js';

/** The state of a deployment at one moment, shared by all jobs. */
export interface Surroundings {
  /** By Redis's clock, ms since the epoch. */
  at: number;
  workers: readonly WorkerRecord[];
  starting: readonly StartingWorker[];
  /** Memory of the fullest server in bytes; undefined if this user may not read it. */
  memory: { usedMemory: number; maxMemory: number } | undefined;
}

/** A queue that goes first: its waiting jobs, and what the workers can do for it. */
export interface LaneAhead {
  queue: string;
  jobs: number;
  service: Service | undefined;
}

/**
 * What the jobs of one route in one queue share, computed once for all callers at the same time: sums over
 * workers and sketches are expensive.
 */
export interface Scene {
  readonly queue: QueuePulse;
  readonly around: Surroundings;
  readonly serving: readonly WorkerRecord[];
  /** Workers that serve the route, split into those without a current heartbeat and the others. */
  readonly able: readonly WorkerRecord[];
  readonly silent: readonly WorkerRecord[];
  readonly talking: readonly WorkerRecord[];
  readonly draining: readonly WorkerRecord[];
  readonly loading: readonly StartingWorker[];
  /** Other routes whose jobs no worker takes. */
  readonly unserved: readonly string[];
  /** Jobs that workers hold but have not started, by priority. */
  readonly held: readonly number[];
  readonly highest: number;
  readonly lanes: readonly LaneAhead[];
  readonly busy: Situation['busy'];
  /** Time until a runner is free, ms, counted from `around.at`. */
  readonly rest: { p50: number; p90: number };
  /** What its workers can do, for a job that has waited this long. */
  service(waitedMs: number): Service | undefined;
}

/** The queues that each of these workers serves before this one, most urgent first. */
export function lanesBefore(queue: string, able: readonly WorkerRecord[]): string[] {
  const before = able.map(({ queues }) => queues.slice(0, Math.max(0, queues.indexOf(queue))));
  const [first = [], ...others] = before;
  return first.filter((lane) => others.every((lanes) => lanes.includes(lane)));
}

/** Live workers of a queue that serve a route. */
export function ableWorkers(workers: readonly WorkerRecord[], queue: string, route: string): WorkerRecord[] {
  return servingWorkers(workers, queue).filter((worker) => servedRoutes([worker], queue).has(route));
}

/** @param lanes the pulses of `lanesBefore` */
export function sceneOf(
  route: string,
  queue: QueuePulse,
  around: Surroundings,
  lanes: readonly QueuePulse[],
): Scene {
  const { name } = queue;
  const { at, workers, starting } = around;
  const able = ableWorkers(workers, name, route);
  const silent = able.filter((worker) => isSilent(worker, at));
  const talking = able.filter((worker) => !silent.includes(worker));
  const model = route.split(/[@!]/)[0] as string;
  const { byPriority: held } = heldAhead(name, queue.taken, workers);
  const services = new Map<number, Service | undefined>();
  const service = (waitedMs: number) => {
    const buckets = tellingBuckets(queue.minute, waitedMs);
    if (!services.has(buckets)) services.set(buckets, serviceOf(queue, talking, model, buckets, at));
    return services.get(buckets);
  };
  const runsOf = runsByModel([queue, ...lanes], model, service(0));
  return {
    ...{ queue, around, able, silent, talking, held, service },
    serving: servingWorkers(workers, name),
    draining: drainingWorkers(workers, name, route),
    loading: starting.filter((worker) => startsFor([worker], name, route)),
    unserved: unservedJobs(queue, workers, starting)
      .map((jobs) => jobs.route)
      .filter((other) => other !== route),
    highest: queue.byPriority.findLastIndex((jobs, priority) => jobs + (held[priority] ?? 0) > 0),
    lanes: lanes.map((lane) => ({
      queue: lane.name,
      jobs: waitingIn(lane, workers),
      service: serviceOf(lane, talking, model, 0, at),
    })),
    busy: busiest(talking, at, runsOf),
    rest: restOfRuns(talking, at, runsOf),
  };
}

/** How long runs of each model took in the last minute of some queues; for `model` its service is the fallback. */
function runsByModel(
  queues: readonly QueuePulse[],
  model: string,
  service: Service | undefined,
): (model: string) => Sketch | undefined {
  const { models } = sumOf(queues.flatMap(({ minute }) => minute.flatMap(({ work }) => [...work.values()])));
  return (of) => {
    const own = models.get(of)?.run;
    if (own !== undefined && own.count > 0) return own;
    // Workers of older versions do not tell models apart.
    return of === model || models.size === 0 ? service?.run.sketch : undefined;
  };
}

/** Waiting jobs of a queue that its workers may take. */
function waitingIn(lane: QueuePulse, workers: readonly WorkerRecord[]): number {
  if (lane.paused) return 0;
  const unserved = unservedJobs(lane, workers).reduce((sum, { jobs }) => sum + jobs, 0);
  const inRedis = sumAbove(lane.byPriority, -1);
  return Math.max(0, inRedis - unserved) + heldAhead(lane.name, lane.taken, workers).jobs;
}

/** Jobs of a higher priority. */
export function sumAbove(byPriority: readonly number[], priority: number): number {
  return byPriority.slice(priority + 1, MAX_PRIORITY + 1).reduce((sum, jobs) => sum + jobs, 0);
}

function drainingWorkers(workers: readonly WorkerRecord[], queue: string, route: string): WorkerRecord[] {
  return workers
    .filter(({ state, queues }) => state === 'draining' && queues.includes(queue))
    .filter((worker) => servedRoutes([{ ...worker, state: 'ready' }], queue).has(route));
}

/** The worker with the longest current run; undefined if any worker has a free runner. */
function busiest(
  able: readonly WorkerRecord[],
  at: number,
  runsOf: (model: string) => Sketch | undefined,
): Situation['busy'] {
  let busy: Situation['busy'];
  for (const worker of able) {
    const run = longestRun(worker, at);
    if (run === undefined) return undefined;
    if (busy === undefined || run.sinceMs > busy.sinceMs)
      busy = { worker: worker.name, ...run, usualMs: runsOf(run.model)?.quantile(0.5) };
  }
  return busy;
}
