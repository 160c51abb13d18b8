import { THRESHOLDS } from '../core/thresholds.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable, parsedObject } from '../redis/wrong-type.js';
import { startingKey } from './keys.js';

/** A worker that loads its models and takes no jobs yet. Loading takes seconds, on a GPU minutes. */
export interface StartingWorker {
  id: string;
  name: string;
  queues: string[];
  /** Models that it will serve, as far as they load. */
  models: string[];
  /** When it was heard of last, ms since the epoch by Redis's clock. */
  beatAt: number;
}

/** A worker that was not heard of for so long while it started has died, ms; it is heard of every 5 s. */
const STARTING_TTL_MS = THRESHOLDS.workerForgotten.value;

/** Makes a worker known that starts; again while it does. */
export async function announceStart(
  client: RedisClient,
  prefix: string,
  worker: StartingWorker,
): Promise<void> {
  await client.hset(startingKey(prefix), worker.id, JSON.stringify(worker));
}

/** It is ready, or does not start. */
export async function endStart(client: RedisClient, prefix: string, id: string): Promise<void> {
  await ifReadable(client.hdel(startingKey(prefix), id), 0);
}

/** Workers that start now, by name. @param now by Redis's clock */
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

/** Drops those that died while they started. */
export async function forgetDeadStarts(client: RedisClient, prefix: string, now: number): Promise<void> {
  const all = await ifReadable(client.hgetall(startingKey(prefix)), {});
  const dead = Object.entries(all).filter(([, json]) => {
    const worker = parsedObject<StartingWorker>(json);
    return !isStarting(worker) || now - worker.beatAt >= STARTING_TTL_MS;
  });
  if (dead.length > 0) await client.hdel(startingKey(prefix), ...dead.map(([id]) => id));
}

/** Whether a worker that starts will serve a queue, and a model (or route `model@version`) in it where one is named. */
export function startsFor(starting: readonly StartingWorker[], queue: string, route?: string): boolean {
  const model = route?.split('@')[0];
  return starting.some(
    ({ queues, models }) => queues.includes(queue) && (model === undefined || models.includes(model)),
  );
}
