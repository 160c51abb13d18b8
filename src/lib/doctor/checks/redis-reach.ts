import { setTimeout as delay } from 'node:timers/promises';
import { THRESHOLDS } from '../../core/thresholds.js';
import { formatDuration } from '../../core/units.js';
import { findRedisServer } from '../../redis/embedded.js';
import { serverMissing } from '../../redis/embedded-errors.js';
import type { RedisClient } from '../../redis/types.js';
import { CAPABILITIES, type Check, fail, type Judgement, ok, warn } from '../check.js';
import type { DoctorContext } from '../context.js';

const PINGS = 10;
const BETWEEN_PINGS_MS = 60;

export const redisReach: Check = {
  id: 'redis-reach',
  topic: 'redis',
  title: 'Redis answers',
  run: async (context) => {
    const reach = await context.reach();
    if ('error' in reach) return unreachable(context, reach.error.message, reach.error.hint);
    const { client, target } = reach.link;
    const own = target.source === 'embedded' ? " (infer's own)" : '';
    const trip = await roundTrip(client);
    return judgeReach(`${target.label}${own}`, trip, context.container !== undefined && own !== '');
  },
};

/** @param isolated infer's own server, inside a container. */
export function judgeReach(label: string, tripMs: number | undefined, isolated: boolean): Judgement {
  const found = tripMs === undefined ? label : `${label}, round trip ${formatDuration(tripMs)}`;
  if (isolated) {
    return warn(
      `${found}; inside a container only this container reaches it, and its data go with it`,
      'run Redis in its own container and name it: INFER_REDIS_URL=redis://redis:6379',
    );
  }
  if (tripMs !== undefined && tripMs > THRESHOLDS.redisSlow.value) {
    return warn(`${found}: far for work that is measured in milliseconds`, 'run workers and Redis closer');
  }
  return ok(found);
}

async function unreachable(
  { loaded, container }: DoctorContext,
  message: string,
  hint: string | undefined,
): Promise<Judgement> {
  if (loaded.values.redisUrl === undefined && /none was named/.test(message)) {
    if ((await findRedisServer()) === undefined) {
      const missing = serverMissing();
      return fail(missing.message, missing.hint, { blocks: CAPABILITIES });
    }
    // If no server is configured, `submit` and `worker` start infer's own: everything is ready except the
    // start.
    const where = container === undefined ? '' : ' (inside this container, for this container alone)';
    return warn(
      `none runs yet; infer worker and infer submit start infer's own${where}`,
      'infer redis start, or name one with --redis or INFER_REDIS_URL',
    );
  }
  return fail(message, hint, { blocks: CAPABILITIES });
}

/** The fastest of a few PINGs in ms; undefined when this user may not even PING. */
async function roundTrip(client: RedisClient): Promise<number | undefined> {
  let quickest = Number.POSITIVE_INFINITY;
  for (let at = 0; at < PINGS; at++) {
    // With pauses: other checks keep this process busy, which would count as distance to Redis.
    await delay(BETWEEN_PINGS_MS);
    const started = performance.now();
    try {
      await client.ping();
    } catch {
      return undefined;
    }
    quickest = Math.min(quickest, performance.now() - started);
  }
  return quickest;
}
