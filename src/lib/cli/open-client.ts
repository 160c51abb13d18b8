import { InferClient } from '../client/client.js';
import type { LoadedSettings } from '../config/load.js';
import { evictionWarning } from '../redis/eviction.js';
import { connectionSettings, type PatienceMs, resultSettings } from '../redis/from-settings.js';

/**
 * A client with the command's settings. `autostart` starts infer's own Redis when there is no other: for
 * commands that submit work, not for read-only ones.
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

/** The part of a command that prints warnings. */
interface Warner {
  warn(text: string): unknown;
}

/**
 * Runs `work` with a client and closes it in every case.
 * @param submitter the command, if it submits work: infer's own Redis is started for it when there is no
 *   other, and it warns of anything that may lose its work. False for commands that only read or remove.
 * @param patience for a command with a time limit of its own (`--wait 2s`)
 */
export async function withClient<T>(
  loaded: LoadedSettings,
  submitter: Warner | false,
  work: (client: InferClient) => Promise<T>,
  patience: PatienceMs = {},
): Promise<T> {
  const client = await openClient(loaded, submitter !== false, patience);
  // Sent along with the first command of the work: no extra round trip.
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
