import type { LoadedSettings } from '../config/load.js';
import { closeClient, connect, resolveTarget } from './connect.js';
import { connectionSettings, type PatienceMs } from './from-settings.js';
import { serverNow } from './server-clock.js';
import type { RedisClient } from './types.js';
import { worded } from './worded.js';

/**
 * Runs read-only work on its own connection and closes it in every case. Starts no server. @throws InferError
 * REDIS_… with a readable message.
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
