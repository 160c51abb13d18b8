import { plural } from '../core/counts.js';
import { splitRoute } from '../queue/layout.js';
import type { PoolSample } from '../queue/read/sample.js';
import { newerRoute, servedRoutes, type UnservedJobs, unservedFix, unservedText } from '../queue/routes.js';
import { isServing } from '../queue/serving.js';
import type { WorkerRecord } from '../queue/types.js';

/*
 * Which waiting jobs are the backlog of a pool, and which workers share it. The rule is in
 * docs/autoscaling.md, "Which jobs and workers count". All functions are pure.
 */

/** What workers with the current flags serve, from heartbeats of those that are or were ready. Plain JSON. */
export interface Learned {
  /** Routes without a layout: `model` and `model@version`. */
  readonly routes: readonly string[];
  /** Directories of their models. */
  readonly modelsDirs: readonly string[];
  /** When the newest worker started, ms since the epoch. */
  readonly at: number;
}

/** Waiting jobs of a queue that no ready worker of it can run. */
export interface QueueJobs extends UnservedJobs {
  readonly queue: string;
}

/** Jobs that a new worker could not run either, with the fix. */
export interface OutsideJobs extends QueueJobs {
  readonly fix: string;
}

export interface Demand {
  /** The pool with only the jobs that `capacity` shares. */
  readonly sample: PoolSample;
  /** Workers that serve these jobs, or jobs of the same kind. */
  readonly capacity: ReadonlySet<WorkerRecord>;
  /** Jobs that none of these workers can run but a new one may; not in the sample. */
  readonly unserved: readonly QueueJobs[];
  /** Jobs that no worker of the pool can run, not even a new one. */
  readonly outside: readonly OutsideJobs[];
}

/** Facts about the workers of a pool. */
export interface Knowledge {
  /** Workers like those that would be started. */
  own: readonly WorkerRecord[];
  /** What such workers serve; undefined until the first is ready. */
  learned: Learned | undefined;
  /** Whether this may be outdated, as after a change in the models directory. */
  isOutdated: () => boolean;
}

/**
 * Sorts the waiting jobs by who can run them. A job counts if a worker of the fleet serves it, or a new
 * one may. Until the first worker of the fleet is ready, a new one may serve every model; none serves a
 * layout that this release cannot read.
 */
export function demandOf(sample: PoolSample, knowledge: Knowledge): Demand {
  const { learned } = knowledge;
  const own = knowledge.own.filter(isServing);
  const others = sample.workers.filter((worker) => isServing(worker) && !own.includes(worker));
  // It may look at every file of the models' directory: once for all routes, and only if one is unknown.
  let outdated: boolean | undefined;
  const mayServe = (route: string) => {
    if (newerRoute(route) !== undefined) return false;
    if (learned === undefined || learned.routes.includes(splitRoute(route).route)) return true;
    outdated ??= knowledge.isOutdated();
    return outdated;
  };
  const unserved: QueueJobs[] = [];
  const outside: OutsideJobs[] = [];
  const left = new Map<string, number>();
  let counting = 0;
  for (const { name = '', unmatched = {}, waiting, paused } of sample.queues) {
    const byOwn = servedRoutes(own, name);
    const byOthers = servedRoutes(others, name);
    let other = 0;
    for (const [route, jobs] of Object.entries(unmatched)) {
      if (byOwn.has(route)) continue;
      if (mayServe(route)) {
        if (!byOthers.has(route) && !paused) unserved.push({ queue: name, route, jobs });
        continue;
      }
      other += jobs;
      if (byOthers.has(route) || paused) continue;
      outside.push({ queue: name, route, jobs, fix: outsideFix(name, { route, jobs }, sample.workers) });
    }
    left.set(name, other);
    if (!paused) counting += Math.max(0, waiting - other);
  }
  const alone = unserved.reduce((sum, { jobs }) => sum + jobs, 0);
  const names = sample.queues.map(({ name = '' }) => name);
  const shares = (worker: WorkerRecord) => {
    // Until it is known what the fleet serves: a worker of the queue, unless it can run none of its jobs.
    if (learned === undefined) return alone === 0 || counting > alone;
    return names.some((name) => {
      const routes = servedRoutes([worker], name);
      return learned.routes.some((route) => routes.has(route));
    });
  };
  const capacity = new Set([...own, ...others.filter(shares)]);
  // Without capacity, they are the backlog of the workers to be started. With capacity, they would count as
  // served. So they are left out, and need a worker of their own.
  const apart = capacity.size === 0 ? [] : unserved;
  for (const { queue, jobs } of apart) left.set(queue, (left.get(queue) ?? 0) + jobs);
  const queues = sample.queues.map((queue) => {
    const without = left.get(queue.name ?? '') ?? 0;
    if (without === 0) return queue;
    // If there are jobs of others, the age of its own jobs is unknown, and the arrival counter counts all.
    return { ...queue, waiting: Math.max(0, queue.waiting - without), oldestMs: null, arrived: null };
  });
  return { sample: { ...sample, queues }, capacity, unserved: apart, outside };
}

/** What ready workers of a kind serve in these queues. @param at when the newest one started */
export function learnedFrom(
  ready: readonly WorkerRecord[],
  queues: readonly string[],
  at: number,
): Learned | undefined {
  const known = ready.filter(({ state, models }) => state === 'ready' && models.length > 0);
  if (known.length === 0) return undefined;
  const routes = queues.flatMap((queue) => [...servedRoutes(known, queue)]);
  return {
    routes: [...new Set(routes.map((route) => splitRoute(route).route))].sort(),
    modelsDirs: [...new Set(known.flatMap(({ modelsDir }) => modelsDir ?? []))],
    at,
  };
}

/** `2 jobs of queue q wait for model b, which no worker of it serves`, for the model with the most jobs. */
export function unservedNote(unserved: readonly QueueJobs[]): string {
  const [first, ...more] = mostFirst(unserved);
  if (first === undefined) return '';
  return `${unservedText(first.queue, first)}${andMore(more)}`;
}

/** The same for jobs that no worker of the pool can run, with the fix. */
export function outsideNote(outside: readonly OutsideJobs[]): string {
  const [first, ...more] = mostFirst(outside);
  if (first === undefined) return '';
  const { queue, jobs, route, fix } = first;
  const wait = `${plural(jobs, 'job')} of queue ${queue} ${jobs === 1 ? 'waits' : 'wait'}`;
  const newer = newerRoute(route);
  const what =
    newer === undefined
      ? `model ${splitRoute(route).route}, which new workers would not serve either`
      : `a worker of infer ${newer.layout.since} or newer, which new workers would not be`;
  return `${wait} for ${what}${andMore(more)}: ${fix}`;
}

function outsideFix(queue: string, jobs: UnservedJobs, workers: readonly WorkerRecord[]): string {
  const newer = newerRoute(jobs.route);
  if (newer === undefined) return unservedFix(queue, jobs, workers);
  return `upgrade infer where they run to ${newer.layout.since} or newer`;
}

function mostFirst<Jobs extends QueueJobs>(all: readonly Jobs[]): Jobs[] {
  return [...all].sort((a, b) => b.jobs - a.jobs);
}

function andMore({ length }: readonly unknown[]): string {
  return length === 0 ? '' : ` (and ${length} more)`;
}
