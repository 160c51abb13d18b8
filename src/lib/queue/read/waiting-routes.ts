import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { bullBase } from '../keys.js';
import { routeOfName } from '../routes.js';
import { servingWorkers } from '../serving.js';
import type { PoolSample } from './sample.js';

/** Maximum number of waiting jobs whose names are read. */
const MOST_READ = 200;

/**
 * The same pool, with the routes of the first 200 waiting jobs of queues that no worker serves, since no
 * worker has seen these jobs. Reads nothing for a queue that has a worker, no waiting jobs, or only jobs that
 * were seen before.
 */
export async function withWaitingRoutes(
  client: RedisClient,
  prefix: string,
  sample: PoolSample,
): Promise<PoolSample> {
  const queues = await Promise.all(
    sample.queues.map(async (queue) => {
      const { name = '', unmatched = {}, waiting } = queue;
      const met = Object.values(unmatched).reduce((sum, jobs) => sum + jobs, 0);
      if (waiting <= met || servingWorkers(sample.workers, name).length > 0) return queue;
      const seen = await waitingRoutes(client, prefix, name);
      const routes = new Set([...Object.keys(unmatched), ...seen.keys()]);
      const most = (route: string) => Math.max(unmatched[route] ?? 0, seen.get(route) ?? 0);
      return { ...queue, unmatched: Object.fromEntries([...routes].map((route) => [route, most(route)])) };
    }),
  );
  return { ...sample, queues };
}

/** The routes of the first waiting jobs of a queue, with their counts; jobs of other code have no route. */
async function waitingRoutes(
  client: RedisClient,
  prefix: string,
  queue: string,
): Promise<Map<string, number>> {
  const base = bullBase(prefix, queue);
  const [wait, prioritized] = await Promise.all([
    ifReadable(client.lrange(`${base}wait`, -MOST_READ, -1), []),
    ifReadable(client.zrange(`${base}prioritized`, '0', String(MOST_READ - 1)), []),
  ]);
  const ids = [...wait, ...prioritized].slice(0, MOST_READ);
  const names = await Promise.all(ids.map((id) => ifReadable(client.hget(base + id, 'name'), null)));
  const routes = new Map<string, number>();
  for (const name of names) {
    const route = routeOfName(name ?? '');
    if (route !== '') routes.set(route, (routes.get(route) ?? 0) + 1);
  }
  return routes;
}
