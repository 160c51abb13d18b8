import type { ModelSignature } from '../model/signature.js';
import { serverNow } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { byModelKey, filedKey, queueTag } from './keys.js';
import { type DataLayout, LAYOUTS, markedRoute, marksOf, newerThan, splitRoute } from './layout.js';
import type { QueueScripts } from './lua/script-client.js';
import { listWorkers } from './registry.js';
import { servingWorkers } from './serving.js';
import { listStarting, type StartingWorker, startsFor } from './starting.js';
import type { JobSpec, TakeRoom, WorkerRecord } from './types.js';
import { FILED } from './wire.js';

/**
 * What a worker must serve to take a job: `model`, or `model@version` where the submitter named one.
 * lua/route.ts describes how takes find the jobs of their routes.
 */
export function routeOf({ model, version, layout }: Pick<JobSpec, 'model' | 'version' | 'layout'>): string {
  return markedRoute(version === undefined ? model : `${model}@${version}`, layout);
}

/** The route of jobs submitted for a model that was looked up. */
export function routeTo({ name, version, pinned }: ModelSignature): string {
  return routeOf({ model: name, version: pinned === true ? version : undefined });
}

/** The routes of a served version of a model, for a worker that reads these layouts. */
export function routesTo(
  model: string,
  version: number,
  marks: readonly string[] = marksOf(LAYOUTS),
): string[] {
  const routes = [model, `${model}@${version}`];
  return [...routes, ...marks.flatMap((mark) => routes.map((route) => markedRoute(route, mark)))];
}

/**
 * The routes of a take in the form its script expects: one per line, with the rows of a run and its ms (-1:
 * unknown); `*` for all routes.
 */
export function routesArgument(
  routes: ReadonlySet<string> | undefined,
  runs: TakeRoom['runs'] = new Map(),
): string {
  if (routes === undefined) return '*';
  return [...routes].map((route) => lineOf(route, runs.get(route))).join('\n');
}

function lineOf(
  route: string,
  { rows, ms = -1 }: { rows: number; ms?: number | undefined } = { rows: 1 },
): string {
  return `${route} ${rows} ${ms}`;
}

/** The route in a job's BullMQ name, `route#rows`; '' for a name of other code, whose jobs any worker takes. */
export function routeOfName(name: string): string {
  return /^(.*)#\d+$/s.exec(name)?.[1] ?? '';
}

/** The routes for which a queue's live workers take jobs. */
export function servedRoutes(workers: readonly WorkerRecord[], queue: string): Set<string> {
  return new Set(
    servingWorkers(workers, queue).flatMap(({ models, layouts = [], modelProblems = [] }) =>
      models
        .filter(({ name }) => !modelProblems.some((problem) => problem.model === name && !problem.served))
        .flatMap(({ name, version }) => routesTo(name, version, layouts)),
    ),
  );
}

/**
 * Whether one of these workers serves a queue and, if given, a model (or route) in it, or one of those that
 * start will: the only definition of `served`. Pure.
 */
export function servedBy(
  workers: readonly WorkerRecord[],
  starting: readonly StartingWorker[],
  queue: string,
  route?: string,
): boolean {
  if (startsFor(starting, queue, route)) return true;
  if (route !== undefined) return servedRoutes(workers, queue).has(route);
  return servingWorkers(workers, queue).length > 0;
}

/** The same, for the workers that are in Redis now. */
export async function isServed(
  client: RedisClient,
  prefix: string,
  queue: string,
  model?: string,
): Promise<boolean> {
  const now = await serverNow(client);
  const [workers, starting] = await Promise.all([
    listWorkers(client, prefix),
    listStarting(client, prefix, now),
  ]);
  return servedBy(workers, starting, queue, model);
}

/** Waiting jobs that no live worker of their queue can run. */
export interface UnservedJobs {
  /** `model`, or `model@version` where the submitter named one. */
  route: string;
  jobs: number;
}

/**
 * Among the jobs skipped by workers without their model: those whose model no worker of the queue serves or
 * is loading. For a queue without workers, none are known. Pure.
 */
export function unservedJobs(
  { name, unmatched }: { name: string; unmatched?: Readonly<Record<string, number>> },
  workers: readonly WorkerRecord[],
  starting: readonly StartingWorker[] = [],
): UnservedJobs[] {
  const served = servedRoutes(workers, name);
  return Object.entries(unmatched ?? {})
    .filter(([route]) => !served.has(route) && !startsFor(starting, name, route))
    .map(([route, jobs]) => ({ route, jobs }));
}

/** The unknown layout of a route, and the route without it. */
export function newerRoute(
  marked: string,
  layouts: readonly DataLayout[] = LAYOUTS,
): { route: string; layout: DataLayout } | undefined {
  const { route, mark } = splitRoute(marked);
  const layout = newerThan(layouts, mark);
  return layout && { route, layout };
}

/** `12 jobs of queue q wait for model b, which no worker of it serves`. */
export function unservedText(queue: string, { route, jobs }: UnservedJobs): string {
  const wait = jobs === 1 ? `1 job of queue ${queue} waits` : `${jobs} jobs of queue ${queue} wait`;
  const newer = newerRoute(route);
  if (newer === undefined) return `${wait} for model ${route}, which no worker of it serves`;
  const { since } = newer.layout;
  return `${wait} for model ${newer.route} in a worker of infer ${since} or newer, and no worker of it is that`;
}

/**
 * The command that makes a worker serve them: a version that is not the highest must be loaded into a running
 * worker.
 */
export function unservedFix(
  queue: string,
  { route }: UnservedJobs,
  workers: readonly WorkerRecord[],
): string {
  const newer = newerRoute(route);
  if (newer !== undefined)
    return `upgrade the workers of queue ${queue} to infer ${newer.layout.since} or newer`;
  const [model] = route.split('@');
  const other = servingWorkers(workers, queue)[0];
  if (route === model || other === undefined) return `infer worker -Q ${queue} --model ${model}`;
  return `infer control load ${other.name} ${route}`;
}

/**
 * The command that starts a worker for queues that have none.
 * @param newer layout of their jobs, if this release cannot read it
 */
export function queueFix(queues: readonly string[], newer?: DataLayout): string {
  const start = `infer worker -Q ${queues.join(',')}`;
  return newer === undefined ? start : `start a worker of infer ${newer.since} or newer: ${start}`;
}

/** Addition to a message about waiting jobs if some are of a newer layout; otherwise empty. */
export function newerText(newer: DataLayout | undefined, need = 'they need'): string {
  return newer === undefined ? '' : `; ${need} a worker of infer ${newer.since} or newer`;
}

/** The newest of several layouts. */
export function newestNeeded(layouts: readonly (DataLayout | undefined)[]): DataLayout | undefined {
  return layouts
    .filter((layout) => layout !== undefined)
    .reduce<DataLayout | undefined>(
      (best, one) => (best !== undefined && best.number >= one.number ? best : one),
      undefined,
    );
}

/**
 * Jobs of a queue that workers without their model have skipped, by route. Two read-only steps; jobs that no
 * worker has met are not counted.
 */
export async function countFiled(
  client: RedisClient,
  prefix: string,
  queue: string,
): Promise<Map<string, number>> {
  const tag = queueTag(prefix, queue);
  // If the key has the wrong type, the next take replaces it; a reader has nothing to report.
  const fields = await client.hkeys(filedKey(tag)).catch(() => []);
  const routes = fields
    .filter((field) => field.startsWith(FILED.route))
    .map((field) => field.slice(FILED.route.length));
  const counts = await Promise.all(
    routes.map((route) => client.zcard(byModelKey(tag, route)).catch(() => 0)),
  );
  return new Map(
    routes.map((route, i): [string, number] => [route, counts[i] as number]).filter(([, n]) => n > 0),
  );
}

/**
 * Maintains the index of jobs by model, and wakes a worker for each model that has jobs.
 * @param paceMs do nothing if any caller did this within this many ms; default: run now.
 */
export async function reroute(scripts: QueueScripts, paceMs?: number): Promise<void> {
  await scripts.run('inferReroute', Math.floor(Math.random() * 2 ** 31), paceMs ?? '');
}
