import type { RedisClient } from '../redis/types.js';

const SCAN_COUNT = 1000;

/** Removes every key of a prefix: `{prefix}:…` and `{prefix:queue}:…`. Reads the whole key space once. */
export async function removeKeys(client: RedisClient, prefix: string): Promise<void> {
  const nodes = 'nodes' in client ? client.nodes('master') : [client];
  for (const node of nodes) {
    for (const pattern of [`{${prefix}}:*`, `{${prefix}:*`]) {
      let cursor = '0';
      do {
        const [next, keys] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
        // One by one: in a Cluster the keys of one command must share a slot.
        await Promise.all(keys.map((key) => node.unlink(key)));
        cursor = next;
      } while (cursor !== '0');
    }
  }
}
