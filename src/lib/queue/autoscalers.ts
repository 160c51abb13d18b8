import type { RedisClient } from '../redis/types.js';
import { autoscalerKey, autoscalersKey } from './keys.js';

/** It says more often that it lives, unless its interval is long: then so many of them. */
const TTL_MS = 30_000;
const TTL_INTERVALS = 3;

/** What an autoscaler has and decides, JSON in Redis with a TTL. */
export interface AutoscalerRecord {
  /** `<host>/<pool>` */
  id: string;
  host: string;
  pid: number;
  /** For people: its queues. */
  pool: string;
  queues: string[];
  policy: string;
  dryRun: boolean;
  min: number;
  max: number;
  targetWaitMs: number;
  startedAt: number;
  /** ms since the epoch. */
  decidedAt: number;
  /** Workers that should run. */
  desired: number;
  /** Why nothing is done; null when all is well. */
  hold: string | null;
  /** The last decision, a sentence. */
  reason: string;
  workers: AutoscaledWorker[];
  /** Places where no worker can run now, and why. */
  troubles: { slot: string; state: 'backing off' | 'failed' | 'in use' | 'gone'; reason: string }[];
}

export interface AutoscaledWorker {
  name: string;
  pid: number | null;
  slot: string;
  gpu: string | null;
  state: 'starting' | 'ready' | 'busy' | 'draining';
  /** Since when it is in that state, ms since the epoch. */
  since: number;
  adopted: boolean;
}

/** Writes an autoscaler's record, at each of its intervals; it expires by itself when the autoscaler dies. */
export async function publishAutoscaler(
  client: RedisClient,
  prefix: string,
  record: AutoscalerRecord,
  intervalMs: number,
): Promise<void> {
  const ttl = Math.max(TTL_MS, TTL_INTERVALS * intervalMs);
  await Promise.all([
    client.set(autoscalerKey(prefix, record.id), JSON.stringify(record), 'PX', ttl),
    client.zadd(autoscalersKey(prefix), String(record.decidedAt), record.id),
    client.zremrangebyscore(autoscalersKey(prefix), '-inf', String(record.decidedAt - 20 * TTL_MS)),
  ]);
}

/** Takes an autoscaler off the register at its orderly end. */
export async function removeAutoscaler(client: RedisClient, prefix: string, id: string): Promise<void> {
  await Promise.all([client.del(autoscalerKey(prefix, id)), client.zrem(autoscalersKey(prefix), id)]);
}

/** Autoscalers that live, by id. Read-only. */
export async function listAutoscalers(client: RedisClient, prefix: string): Promise<AutoscalerRecord[]> {
  const ids = await client.zrange(autoscalersKey(prefix), '0', '-1');
  const records = await Promise.all(ids.map((id) => client.get(autoscalerKey(prefix, id))));
  return records
    .filter((json): json is string => json !== null)
    .map((json) => JSON.parse(json) as AutoscalerRecord)
    .sort((a, b) => a.id.localeCompare(b.id));
}
