import type { LoadedSettings } from '../config/load.js';
import { snapshotQueues } from '../queue/inspector.js';
import { listWorkers } from '../queue/registry.js';
import { closeClient, connect, explain, resolveTarget } from '../redis/connect.js';
import { connectionSettings } from '../redis/from-settings.js';
import { readInfo } from '../redis/info.js';
import type { Overview } from './views/overview.js';

/** Everything `inspect` shows, read with read-only commands. Starts no server. */
export async function readOverview(
  loaded: LoadedSettings,
  queues: readonly string[] | undefined,
): Promise<Overview> {
  const settings = connectionSettings(loaded, false);
  const target = await resolveTarget(settings);
  const client = await connect(target, 'command', settings);
  try {
    const { prefix } = loaded.values;
    const [facts, snapshots, workers] = await Promise.all([
      readInfo(client),
      snapshotQueues(client, prefix, Date.now(), queues),
      listWorkers(client, prefix),
    ]);
    return {
      redis: {
        label: target.label,
        source: target.source,
        version: facts.version,
        usedMemoryBytes: facts.usedMemory,
        maxMemoryBytes: facts.maxMemory,
        policy: facts.policy,
      },
      queues: snapshots,
      workers,
    };
  } catch (error) {
    throw explain(client, error);
  } finally {
    await closeClient(client);
  }
}
