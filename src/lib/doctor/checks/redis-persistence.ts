import { formatDuration } from '../../core/units.js';
import type { RedisFacts } from '../../redis/info.js';
import type { RedisClient } from '../../redis/types.js';
import { type Capability, type Check, fail, type Judgement, ok, warn } from '../check.js';

export const redisPersistence: Check = {
  id: 'redis-persistence',
  topic: 'redis',
  title: 'persistence',
  run: async (context) => {
    const [facts, { client }] = await Promise.all([context.facts(), context.redis()]);
    const config = await readConfig(client, 'save', 'stop-writes-on-bgsave-error', 'appendfsync');
    return judgePersistence(facts, config, context.clock.now());
  },
};

const WRITES: readonly Capability[] = ['submit', 'CPU workers', 'GPU workers'];
const DISK =
  "free space on the server's disk and look at its log; infer redis status names the log of infer's own";

/** @param config the result of CONFIG GET; empty if this user may not ask. */
export function judgePersistence(
  { aof, rdb, raw }: Pick<RedisFacts, 'aof' | 'rdb' | 'raw'>,
  config: ReadonlyMap<string, string>,
  now: number,
): Judgement {
  if (aof.enabled && !aof.lastWriteOk) {
    return fail('the append-only file cannot be written: Redis refuses changes (MISCONF)', DISK, {
      blocks: WRITES,
    });
  }
  const snapshots = config.get('save') !== '';
  if (!rdb.lastSaveOk) {
    const refuses = snapshots && config.get('stop-writes-on-bgsave-error') !== 'no';
    const ago = formatDuration(Math.max(0, now - rdb.lastSaveAt * 1000));
    const found = `the last snapshot (bgsave) failed, the one before is ${ago} old`;
    return refuses
      ? fail(`${found}: Redis refuses changes (MISCONF)`, DISK, { blocks: WRITES })
      : warn(found, DISK);
  }
  if (aof.enabled) {
    const sync = config.get('appendfsync');
    return ok(`append-only file${sync === undefined ? '' : `, synced ${sync}`}`);
  }
  const changes = Number(raw.get('rdb_changes_since_last_save') ?? 0);
  const lost = snapshots
    ? `jobs accepted since the last snapshot (${changes} changes since) are lost`
    : 'all jobs are lost, as it keeps no snapshots either';
  return warn(`the append-only file is off: when Redis crashes, ${lost}`, 'infer redis-tune apply');
}

async function readConfig(client: RedisClient, ...names: string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const name of names) {
    try {
      const reply = (await client.call('CONFIG', 'GET', name)) as string[] | Record<string, string>;
      // RESP2 returns a flat list, RESP3 a map.
      const value = Array.isArray(reply) ? reply[1] : reply[name];
      if (value !== undefined) found.set(name, value);
    } catch {
      // Managed servers and restricted users have no CONFIG; INFO has told most of it.
    }
  }
  return found;
}
