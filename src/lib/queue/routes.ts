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
 * What a worker must serve to take a job: `model`, or `model@version` where the submitter named one. How takes find
 * the jobs of their routes is in lua/route.ts.
 */
export function routeOf({ model, version, layout }: Pick<JobSpec, 'model' | 'version' | 'layout'>): string {
  return markedRoute(version === undefined ? model : `${model}@${version}`, layout);
}

/** The route of jobs that are submitted for a model as it was looked up. */
export function routeTo({ name, version, pinned }: ModelSignature): string {
  return routeOf({ model: name, version: pinned === true ? version : undefined });
}

/** The routes of a model that is served in a version, by a worker that reads these layouts. */
export function routesTo(
  model: string,
  version: number,
  marks: readonly string[] = marksOf(LAYOUTS),
): string[] {
  const routes = [model, `${model}@${version}`];
  return [...routes, ...marks.flatMap((mark) => routes.map((route) => markedRoute(route, mark)))];
}

/**
 * The routes of a take, as its script has them: one a line, with rows of a run and its ms (-1: not known); `*` for whatever
 * there is.
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

/** The routes for which live workers of a queue take jobs. */
export function servedRoutes(workers: readonly WorkerRecord[], queue: string): Set<string> {
  return new Set(
    servingWorkers(workers, queue).flatMap(({ models, layouts = [], modelProblems = [] }) =>
      models
        .filter(({ name }) => !modelProblems.some((problem) => problem.model === name && !problem.served))
        .flatMap(({ name, version }) => routesTo(name, version, layouts)),
    ),
  );
}

/** Whether a live worker serves a queue, or starts to, and jobs of a model (or route) in it if one is named. */
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
  if (startsFor(starting, queue, model)) return true;
  if (model !== undefined) return servedRoutes(workers, queue).has(model);
  return servingWorkers(workers, queue).length > 0;
}

/** Waiting jobs that no live worker of their queue can take. */
export interface UnservedJobs {
  /** `model`, or `model@version` where the submitter named one. */
  route: string;
  jobs: number;
}

/**
 * Of the jobs that were met by workers without their model, those whose model no worker of the queue serves or loads. Of a
 * queue without workers none are known. Pure.
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

/** The layout of a route that this release does not know, and the route without it. */
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

/** The command that serves them: a version that is not the highest has to be loaded into a worker that runs. */
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
 * Jobs of a queue that were met by a worker without their model, by route. Two read-only steps; it takes no notice of jobs
 * that no worker has met.
 */
export async function countFiled(
  client: RedisClient,
  prefix: string,
  queue: string,
): Promise<Map<string, number>> {
  const tag = queueTag(prefix, queue);
  // One of a wrong type is replaced by the next take; who reads has nothing to tell of it.
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
 * Looks after the index of jobs by model, and wakes a worker for each that has jobs.
 * @param paceMs not again for so long, no matter who asks; left out: now.
 */
export async function reroute(scripts: QueueScripts, paceMs?: number): Promise<void> {
  await scripts.run('inferReroute', Math.floor(Math.random() * 2 ** 31), paceMs ?? '');
}
