import { THRESHOLDS } from '../core/thresholds.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable, parsedObject } from '../redis/wrong-type.js';
import { startingKey } from './keys.js';

/** A worker that is loading its models and takes no jobs yet. Loading takes seconds, on a GPU minutes. */
export interface StartingWorker {
  id: string;
  name: string;
  queues: string[];
  /** Models that it will serve, if they load. */
  models: string[];
  /** Its last sign of life, ms since the epoch by Redis's clock. */
  beatAt: number;
}

/** A starting worker that is silent for this long, ms, has died; it reports every 5 s. */
const STARTING_TTL_MS = THRESHOLDS.workerForgotten.value;

/** Registers a starting worker; called again while it starts. */
export async function announceStart(
  client: RedisClient,
  prefix: string,
  worker: StartingWorker,
): Promise<void> {
  await client.hset(startingKey(prefix), worker.id, JSON.stringify(worker));
}

/** The worker is ready, or failed to start. */
export async function endStart(client: RedisClient, prefix: string, id: string): Promise<void> {
  await ifReadable(client.hdel(startingKey(prefix), id), 0);
}

/** Workers that are starting, sorted by name. @param now by Redis's clock */
export async function listStarting(
  client: RedisClient,
  prefix: string,
  now: number,
): Promise<StartingWorker[]> {
  const all = await ifReadable(client.hvals(startingKey(prefix)), []);
  return all
    .map((json) => parsedObject<StartingWorker>(json))
    .filter(isStarting)
    .filter(({ beatAt }) => now - beatAt < STARTING_TTL_MS)
    .sort((a, b) => a.name.localeCompare(b.name));
}

function isStarting(worker: StartingWorker | undefined): worker is StartingWorker {
  return (
    typeof worker?.name === 'string' &&
    Number.isFinite(worker.beatAt) &&
    Array.isArray(worker.queues) &&
    Array.isArray(worker.models)
  );
}

/** Removes workers that died while starting. */
export async function forgetDeadStarts(client: RedisClient, prefix: string, now: number): Promise<void> {
  const all = await ifReadable(client.hgetall(startingKey(prefix)), {});
  const dead = Object.entries(all).filter(([, json]) => {
    const worker = parsedObject<StartingWorker>(json);
    return !isStarting(worker) || now - worker.beatAt >= STARTING_TTL_MS;
  });
  if (dead.length > 0) await client.hdel(startingKey(prefix), ...dead.map(([id]) => id));
}

/** The starting workers that will serve a queue and are not yet among the live ones. */
export function startersOf(
  starting: readonly StartingWorker[],
  queue: string,
  live: readonly { id: string }[],
): StartingWorker[] {
  return starting.filter(({ id, queues }) => queues.includes(queue) && live.every((one) => one.id !== id));
}

/** Whether a starting worker will serve a queue and, if given, a model (or route `model@version`) in it. */
export function startsFor(starting: readonly StartingWorker[], queue: string, route?: string): boolean {
  const model = route?.split('@')[0];
  return starting.some(
    ({ queues, models }) => queues.includes(queue) && (model === undefined || models.includes(model)),
  );
}
