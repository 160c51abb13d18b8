import type { RedisClient } from '../redis/types.js';
import { ifReadable, parsedObject } from '../redis/wrong-type.js';
import { autoscalerKey, autoscalersKey } from './keys.js';

/** Lifetime of a record; an autoscaler refreshes it more often, unless its interval is long. */
const TTL_MS = 30_000;
const TTL_INTERVALS = 3;
/** After this long without a record, the autoscaler is forgotten. */
const FORGOTTEN_MS = 600_000;

/** What an autoscaler runs and has decided: JSON in Redis with a TTL. */
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
  /** Time between two decisions; not written by autoscalers of older versions. */
  intervalMs?: number | undefined;
  startedAt: number;
  /** How far its host's clock is ahead of Redis's, ms; negative: behind. Not written by older versions. */
  clockAheadMs?: number | undefined;
  /** ms since the epoch. */
  decidedAt: number;
  /** Workers that should run. */
  desired: number;
  /** Why it holds; null when all is well. */
  hold: string | null;
  /** The last decision as a sentence. */
  reason: string;
  workers: AutoscaledWorker[];
  /** Slots where no worker can run at the moment, and why. */
  troubles: {
    slot: string;
    state: 'backing off' | 'failed' | 'in use' | 'gone';
    reason: string;
    /** How the last worker there failed, with the last line of its log. */
    last?: string | undefined;
  }[];
}

export interface AutoscaledWorker {
  name: string;
  pid: number | null;
  slot: string;
  gpu: string | null;
  state: 'starting' | 'ready' | 'busy' | 'draining';
  /** Start of that state, ms since the epoch. */
  since: number;
  adopted: boolean;
}

/** Writes an autoscaler's record, once per interval; it expires when the autoscaler dies. */
export async function publishAutoscaler(
  client: RedisClient,
  prefix: string,
  record: AutoscalerRecord,
): Promise<void> {
  const { id, decidedAt, intervalMs = 0 } = record;
  const ttl = Math.max(TTL_MS, TTL_INTERVALS * intervalMs);
  await Promise.all([
    client.set(autoscalerKey(prefix, id), JSON.stringify(record), 'PX', ttl),
    client.zadd(autoscalersKey(prefix), String(decidedAt), id),
    client.zremrangebyscore(autoscalersKey(prefix), '-inf', String(decidedAt - FORGOTTEN_MS)),
  ]);
}

/** Unregisters an autoscaler that shuts down cleanly. */
export async function removeAutoscaler(client: RedisClient, prefix: string, id: string): Promise<void> {
  await Promise.all([client.del(autoscalerKey(prefix, id)), client.zrem(autoscalersKey(prefix), id)]);
}

/** An autoscaler whose record expired without an unregistration: it was killed, or cut off from Redis. */
export interface LapsedAutoscaler {
  id: string;
  /** Its last decision, ms since the epoch. */
  decidedAt: number;
}

/** Live autoscalers, and those whose record expired in the last ten minutes; sorted by id. Read-only. */
export async function readAutoscalers(
  client: RedisClient,
  prefix: string,
  now: number,
): Promise<{ autoscalers: AutoscalerRecord[]; lapsed: LapsedAutoscaler[] }> {
  const flat = await client.zrange(autoscalersKey(prefix), '0', '-1', 'WITHSCORES');
  const known = flat.flatMap((id, at) => (at % 2 === 0 ? [{ id, decidedAt: Number(flat[at + 1]) }] : []));
  const records = await Promise.all(
    known.map(({ id }) => ifReadable(client.get(autoscalerKey(prefix, id)), '')),
  );
  const byId = (a: { id: string }, b: { id: string }) => a.id.localeCompare(b.id);
  return {
    autoscalers: records
      .map((json) => parsedObject<AutoscalerRecord>(json))
      .filter((record): record is AutoscalerRecord => typeof record?.id === 'string')
      .sort(byId),
    lapsed: known
      .filter(({ decidedAt }, at) => records[at] === null && lapsedFor(now - decidedAt))
      .sort(byId),
  };
}

/** A missing record this young cannot have expired: the autoscaler has just unregistered. */
function lapsedFor(age: number): boolean {
  return age > TTL_MS / 2 && age < FORGOTTEN_MS;
}
