import { ResultStore } from '../queue/broker/result-store.js';
import { BulkWrites } from '../redis/bulk-writes.js';
import { type ConnectionSettings, closeClient, connect, resolveTarget } from '../redis/connect.js';
import type { RedisClient } from '../redis/types.js';
import type { ResultLimit } from './admit.js';

/** Where the ends of jobs and their results are written. */
export interface Stores {
  /** A Redis for results alone, where there is one. */
  results: ResultStore | undefined;
  /** Large writes beside the jobs. */
  bulk: BulkWrites;
  /** The largest result that fits. */
  limit: ResultLimit;
}

/** Opens the stores of a worker; `cleanup` gets what closes them. */
export async function openStores(
  client: RedisClient,
  apart: ConnectionSettings | undefined,
  prefix: string,
  cleanup: (() => Promise<unknown>)[],
): Promise<Stores> {
  const bulk = new BulkWrites(client);
  cleanup.push(() => bulk.close());
  if (apart === undefined) return { results: undefined, bulk, limit: (bytes) => bulk.knownFor(bytes) };
  const own = await connect(await resolveTarget(apart), 'worker', apart);
  cleanup.push(() => closeClient(own));
  const results = new ResultStore(own, prefix);
  cleanup.push(() => results.bulk.close());
  return { results, bulk, limit: (bytes) => results.bulk.knownFor(bytes) };
}
