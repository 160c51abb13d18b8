import { InferClient } from '../client/client.js';
import type { LoadedSettings } from '../config/load.js';
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

/** Runs `work` with a client and closes it, however that ends. */
export async function withClient<T>(
  loaded: LoadedSettings,
  autostart: boolean,
  work: (client: InferClient) => Promise<T>,
): Promise<T> {
  const client = await openClient(loaded, autostart);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
