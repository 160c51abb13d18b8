import type { Cluster, Redis } from 'ioredis';
import type { RedisClient } from './types.js';

/** A sample of keys and their memory. */
export interface KeySample {
  keys: { key: string; bytes: number }[];
  /** Keys in the database, or in all masters of a Cluster. */
  total: number;
}

export interface SampleBounds {
  maxKeys: number;
  maxMs: number;
}

/** Keys requested per SCAN: well under a millisecond of the server's time. */
const SCAN_COUNT = 200;

/**
 * Samples keys, bounded in number and time, whatever the size of the database: SCAN returns keys in hash
 * order, so the first ones are a random sample, and MEMORY USAGE measures each.
 * @throws the client's error, above all NOPERM: many users have neither right.
 */
export async function sampleKeys(client: RedisClient, bounds: SampleBounds): Promise<KeySample> {
  const nodes = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis];
  const share = { maxKeys: Math.ceil(bounds.maxKeys / nodes.length), maxMs: bounds.maxMs };
  const samples = await Promise.all(nodes.map((node) => sampleNode(node, share)));
  return {
    keys: samples.flatMap((sample) => sample.keys),
    total: samples.reduce((sum, sample) => sum + sample.total, 0),
  };
}

async function sampleNode(node: Redis, { maxKeys, maxMs }: SampleBounds): Promise<KeySample> {
  const deadline = performance.now() + maxMs;
  const keys = new Map<string, number>();
  let cursor = '0';
  do {
    const [next, found] = await node.scan(cursor, 'COUNT', SCAN_COUNT);
    cursor = next;
    // An estimate from five elements of a collection is accurate enough, and does not read all of a long one.
    const sizes = await Promise.all(found.map((key) => node.memory('USAGE', key, 'SAMPLES', 5)));
    found.forEach((key, at) => {
      const bytes = sizes[at];
      // Null: it expired between the two commands.
      if (typeof bytes === 'number') keys.set(key, bytes);
    });
  } while (cursor !== '0' && keys.size < maxKeys && performance.now() < deadline);
  const total = Math.max(keys.size, await node.dbsize());
  return { keys: [...keys].map(([key, bytes]) => ({ key, bytes })), total };
}
