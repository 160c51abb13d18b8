import type { Producer } from '../queue/broker/producer.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import type { Answers } from './answers.js';
import type { Call } from './limited.js';
import type { Places } from './places.js';

/** What steering works with. */
export interface Hands {
  redis: RedisClient;
  producer: Producer;
  places: Places;
  answers: Answers;
}

/** Cancels a job or all of a group; answers the state after. Nothing is written for a caller that has left. */
export async function cancelWork(hands: Hands, id: string, { signal }: Call): Promise<string> {
  const { redis, producer, places, answers } = hands;
  const place = await places.find(id);
  const group = place.kind === 'group' ? await answers.group(id) : undefined;
  signal.throwIfAborted();
  if (group !== undefined) {
    await worded(redis, producer.cancelGroup(group));
    return (await answers.group(id)).state;
  }
  const state = await worded(redis, producer.cancel(place.queue, id));
  if (state === undefined) throw await answers.missing(id, place.queue);
  return state;
}

/** Puts a failed job, or the failed jobs of a group, back to waiting; answers how many. */
export async function retryWork(
  hands: Hands,
  id: string,
  timeLimitMs: number | undefined,
  { signal }: Call,
): Promise<{ queue: string; count: number }> {
  const { redis, producer, places, answers } = hands;
  const { queue, kind } = await places.find(id);
  const group = kind === 'group' ? await answers.group(id) : undefined;
  signal.throwIfAborted();
  const retried =
    group === undefined ? producer.retry(queue, [id], timeLimitMs) : producer.retryGroup(group, timeLimitMs);
  return { queue, count: await worded(redis, retried) };
}
