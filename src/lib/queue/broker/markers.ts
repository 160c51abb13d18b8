import { answerWithin } from '../../core/bounded.js';
import type { RedisClient } from '../../redis/types.js';
import { isWrongValue } from '../../redis/wrong-type.js';

/**
 * Sleeps on markers, the first of which is checked first: its score is 0 if work is there, else the time at
 * which a delayed job is due. Undefined when none arrived in time or the signal fired. Markers contain
 * nothing that could be lost: a key of another type is removed, because it would end every sleep at once.
 * @param blocking a `blocking` connection not used by anything else in the meantime
 */
export function popMarker(
  blocking: RedisClient,
  client: RedisClient,
  keys: readonly string[],
  ms: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  // Redis 6+ takes fractions of a second; 0 would mean "forever".
  const woken = blocking.bzpopmin(...keys, Math.max(0.01, ms / 1000));
  return new Promise((resolve) => {
    const done = (score?: number) => {
      signal.removeEventListener('abort', stop);
      resolve(score);
    };
    const stop = () => done();
    signal.addEventListener('abort', stop, { once: true });
    woken.then(
      (reply) => done(reply === null ? undefined : Number(reply[2])),
      (error: unknown) => {
        if (isWrongValue(error)) void removeDamaged(client, keys).then(stop, stop);
        else stop();
      },
    );
  });
}

/** How long a sleeping take may last once it has been woken to end. */
const ROUSED_MS = 1000;

/**
 * What a sleeping take brings. When `signal` fires it is woken, so that it takes nothing later.
 * @param rouse wakes it
 * @returns undefined if it does not end even then, because Redis does not answer
 */
export async function orRoused<T>(
  taken: Promise<T>,
  signal: AbortSignal,
  rouse: () => Promise<void>,
): Promise<T | undefined> {
  let stop = (): void => undefined;
  const fired = new Promise<void>((resolve) => {
    stop = resolve;
  });
  signal.addEventListener('abort', stop, { once: true });
  const roused = fired.then(() => {
    rouse().catch(() => undefined);
    return answerWithin(ROUSED_MS, taken, () => undefined);
  });
  // The loser of the race may fail.
  roused.catch(() => undefined);
  try {
    return await Promise.race([taken, roused]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function removeDamaged(client: RedisClient, keys: readonly string[]): Promise<void> {
  const types = await Promise.all(keys.map((key) => client.type(key)));
  const damaged = keys.filter((_, i) => types[i] !== 'zset' && types[i] !== 'none');
  await Promise.all(damaged.map((key) => client.del(key)));
}
