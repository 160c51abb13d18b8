import type { LoadedSettings } from '../config/load.js';
import { closeClient, connect, resolveTarget } from '../redis/connect.js';
import { connectionSettings, type PatienceMs } from '../redis/from-settings.js';
import { serverNow } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';

/**
 * Runs work that only looks on a connection of its own, and closes it, however that ends. Starts no
 * server. @throws InferError REDIS_… in words for people.
 */
export async function withRedis<T>(
  loaded: LoadedSettings,
  work: (client: RedisClient, prefix: string) => Promise<T>,
  patience: PatienceMs = {},
): Promise<T> {
  const settings = connectionSettings(loaded, false, patience);
  const client = await connect(await resolveTarget(settings), 'command', settings);
  try {
    const [answer] = await worded(
      client,
      Promise.all([work(client, loaded.values.prefix), serverNow(client)]),
    );
    return answer;
  } finally {
    await closeClient(client);
  }
}
