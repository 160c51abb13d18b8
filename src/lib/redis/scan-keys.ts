import type { Cluster, Redis } from 'ioredis';
import type { RedisClient } from './types.js';

/** Keys per step: about 1 ms of Redis time. */
const STEP_KEYS = 1000;

/** All keys that begin with a text, in steps between which Redis serves others; a key may appear twice. */
export async function* scanKeys(client: RedisClient, beginning: string): AsyncGenerator<string[]> {
  // Braces are literal in Redis's patterns; these are not.
  const pattern = `${beginning.replace(/[\\*?[\]]/g, '\\$&')}*`;
  for (const node of client.isCluster ? (client as Cluster).nodes('master') : [client as Redis]) {
    let cursor = '0';
    do {
      const [next, keys] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', STEP_KEYS);
      cursor = next;
      yield keys;
    } while (cursor !== '0');
  }
}
