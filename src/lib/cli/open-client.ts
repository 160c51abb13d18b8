import { InferClient } from '../client/client.js';
import type { LoadedSettings } from '../config/load.js';
import { evictionWarning } from '../redis/eviction.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';

/**
 * A client by the command's settings. `autostart` brings up infer's own Redis when there is no
 * other: for commands that put work in, not for those that only look.
 */
async function openClient(loaded: LoadedSettings, autostart: boolean): Promise<InferClient> {
  const { prefix, modelsDir, resultTtl } = loaded.values;
  const redis = connectionSettings(loaded, autostart);
  const resultRedis = resultSettings(loaded);
  return InferClient.open({ prefix, modelsDir, resultTtl, redis, resultRedis, values: 'json' });
}

/**
 * Runs `work` with a client and closes it, however that ends.
 * @param warn told of what may lose the work that is put in: for commands that do.
 */
export async function withClient<T>(
  loaded: LoadedSettings,
  autostart: boolean,
  work: (client: InferClient) => Promise<T>,
  warn?: (text: string) => void,
): Promise<T> {
  const client = await openClient(loaded, autostart);
  // Asked along with the first thing the work asks: no round trip of its own.
  const warned = warn === undefined ? undefined : warnOfEviction(client, warn);
  try {
    const done = await work(client);
    await warned;
    return done;
  } finally {
    await client.close();
  }
}

async function warnOfEviction(client: InferClient, warn: (text: string) => void): Promise<void> {
  const warning = await evictionWarning(client.redis);
  if (warning !== undefined) warn(warning);
}
