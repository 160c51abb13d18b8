import type { Clock } from '../core/clock.js';
import { announceStart, endStart, type StartingWorker } from '../queue/starting.js';
import type { RedisClient } from '../redis/types.js';

const BEAT_MS = 5000;

/**
 * Says that a worker starts, until it is ready or has failed to: submitters then know that its models are on
 * their way. Answers what ends that. A Redis that is away is said nothing, and not waited for.
 */
export function sayStarting(
  client: RedisClient,
  prefix: string,
  clock: Clock,
  worker: Omit<StartingWorker, 'beatAt'>,
): () => Promise<void> {
  let said: Promise<unknown> = Promise.resolve();
  const say = (): void => {
    said = announceStart(client, prefix, { ...worker, beatAt: clock.now() }).catch(() => undefined);
  };
  say();
  const timer = setInterval(say, BEAT_MS);
  return async () => {
    clearInterval(timer);
    await said;
    await endStart(client, prefix, worker.id);
  };
}
