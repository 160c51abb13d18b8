import { InferClient } from '../client/client.js';
import type { LoadedSettings } from '../config/load.js';
import { evictionWarning } from '../redis/eviction.js';
import { connectionSettings, type PatienceMs, resultSettings } from '../redis/from-settings.js';

/**
 * A client by the command's settings. `autostart` brings up infer's own Redis when there is no
 * other: for commands that put work in, not for those that only look.
 */
async function openClient(
  loaded: LoadedSettings,
  autostart: boolean,
  patience: PatienceMs,
): Promise<InferClient> {
  const { prefix, modelsDir, resultTtl } = loaded.values;
  const redis = connectionSettings(loaded, autostart, patience);
  const resultRedis = resultSettings(loaded, patience);
  return InferClient.open({ prefix, modelsDir, resultTtl, redis, resultRedis, values: 'json' });
}

/** A command, as far as it can warn. */
interface Warner {
  warn(text: string): unknown;
}

/**
 * Runs `work` with a client and closes it, however that ends.
 * @param submitter the command, if it puts work in: infer's own Redis is started for it when there is
 * no other, and it is told of what may lose its work. False for commands that only look or take out.
 * @param patience for a command that was told how long it may take (`--wait 2s`)
 */
export async function withClient<T>(
  loaded: LoadedSettings,
  submitter: Warner | false,
  work: (client: InferClient) => Promise<T>,
  patience: PatienceMs = {},
): Promise<T> {
  const client = await openClient(loaded, submitter !== false, patience);
  // Asked along with the first thing the work asks: no round trip of its own.
  const warned = submitter === false ? undefined : warnOfEviction(client, submitter);
  try {
    const done = await work(client);
    await warned;
    return done;
  } finally {
    await client.close();
  }
}

async function warnOfEviction(client: InferClient, submitter: Warner): Promise<void> {
  const warning = await evictionWarning(client.redis);
  if (warning !== undefined) submitter.warn(warning);
}
