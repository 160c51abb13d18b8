import { fromJobData } from '../queue/job-data.js';
import { bullBase } from '../queue/keys.js';
import type { QueueSnapshot } from '../queue/read/inspector.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable } from '../redis/wrong-type.js';

/** A job that a worker has taken. */
export interface ActiveJob {
  id: string;
  queue: string;
  /** Whether someone holds it at this moment. */
  locked: boolean;
  /** When it was taken, ms since the epoch. */
  takenAt: number;
  /** Its own limit of run time, ms. */
  timeLimitMs?: number | undefined;
}

/** Of each queue; more are never needed to tell that something is wrong. */
const MAX_PER_QUEUE = 100;

/** The active jobs of queues, up to a hundred of each; read-only commands that an inspector may send. */
export async function readActive(
  client: RedisClient,
  prefix: string,
  queues: readonly Pick<QueueSnapshot, 'name' | 'active'>[],
): Promise<ActiveJob[]> {
  const perQueue = await Promise.all(
    queues.map(async ({ name, active }) => {
      const base = bullBase(prefix, name);
      // By index: LRANGE is not among an inspector's rights. The oldest are at the end.
      const ids = await Promise.all(
        Array.from({ length: Math.min(active, MAX_PER_QUEUE) }, (_, at) =>
          client.lindex(`${base}active`, -1 - at),
        ),
      );
      const known = ids.filter((id): id is string => id !== null);
      return Promise.all([...new Set(known)].map((id) => readOne(client, base, name, id)));
    }),
  );
  return perQueue.flat().filter((job) => job !== undefined);
}

async function readOne(
  client: RedisClient,
  base: string,
  queue: string,
  id: string,
): Promise<ActiveJob | undefined> {
  const [lock, [takenOn, data]] = await Promise.all([
    client.exists(`${base}${id}:lock`),
    ifReadable(client.hmget(base + id, 'processedOn', 'data'), []),
  ]);
  // It ended between the two reads.
  if (!data || !takenOn) return undefined;
  const spec = fromJobData(data, id, queue)?.spec;
  return { id, queue, locked: lock === 1, takenAt: Number(takenOn), timeLimitMs: spec?.timeLimitMs };
}
