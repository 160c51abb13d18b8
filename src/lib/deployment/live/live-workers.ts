import { readWorkers, registeredWorkers } from '../../queue/registry.js';
import type { WorkerRecord } from '../../queue/types.js';
import type { RedisClient } from '../../redis/types.js';
import { takeTurns } from './rotation.js';

/** A worker as it was read last. */
export interface LiveWorker {
  record: WorkerRecord;
  /** Milliseconds since the epoch, by Redis's clock. */
  readAt: number;
  /** Share of the last ten seconds or so in which it held jobs; undefined until two heartbeats tell. */
  busy: number | undefined;
}

/** Heartbeats, about 1 KB each, that are read in one second. */
const WORKERS_A_SECOND = 50;
const NEW_WORKERS = 500;
/** Over how many milliseconds a share is computed. */
const BUSY_OVER_MS = 10_000;

interface Beat {
  at: number;
  busyMs: number;
}

interface Kept {
  readAt: number;
  record: WorkerRecord | undefined;
  beats: Beat[];
}

/** All live workers, read in turns. */
export class LiveWorkers {
  private readonly kept = new Map<string, Kept>();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /** Reads the heartbeats whose turn it is; returns all, sorted by name. */
  async read(now: number): Promise<readonly LiveWorker[]> {
    const ids = await registeredWorkers(this.client, this.prefix);
    const known = new Set(ids);
    for (const id of this.kept.keys()) if (!known.has(id)) this.kept.delete(id);
    const turns = ids.map((key) => ({ key, readAt: this.kept.get(key)?.readAt, cost: 1, weight: 1 }));
    const picked = takeTurns(turns, now, { budget: WORKERS_A_SECOND, first: NEW_WORKERS });
    const records = await readWorkers(this.client, this.prefix, picked);
    for (const [i, id] of picked.entries()) this.keep(id, records[i], now);
    return ids
      .flatMap((id) => liveOf(this.kept.get(id)))
      .sort((a, b) => a.record.name.localeCompare(b.record.name));
  }

  private keep(id: string, record: WorkerRecord | undefined, readAt: number): void {
    const beats = this.kept.get(id)?.beats ?? [];
    if (record?.busyMs !== undefined && beats.at(-1)?.at !== record.beatAt) {
      beats.push({ at: record.beatAt, busyMs: record.busyMs });
      // One that is older than the time stays, so that the share covers all of it.
      while ((beats[1]?.at ?? Number.POSITIVE_INFINITY) <= record.beatAt - BUSY_OVER_MS) beats.shift();
    }
    this.kept.set(id, { readAt, record, beats: record === undefined ? [] : beats });
  }
}

function liveOf(kept: Kept | undefined): LiveWorker[] {
  if (kept?.record === undefined) return [];
  return [{ record: kept.record, readAt: kept.readAt, busy: busyShare(kept.beats) }];
}

/** Between the first and the last heartbeat; undefined where they tell nothing. */
function busyShare(beats: readonly Beat[]): number | undefined {
  const [first, last] = [beats[0], beats.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return undefined;
  return Math.min(1, Math.max(0, (last.busyMs - first.busyMs) / (last.at - first.at)));
}
