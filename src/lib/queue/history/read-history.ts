import type { RedisClient } from '../../redis/types.js';
import type { History, HistoryQuery, SeriesName } from './types.js';

/**
 * Reads one series with read-only commands. A series that does not exist has no points.
 * @throws InferError HISTORY_STEP for a step that does not fit the range.
 */
export async function readHistory(
  _client: RedisClient,
  _prefix: string,
  _query: HistoryQuery,
): Promise<History> {
  throw new Error('not yet');
}

/** Every series that is kept, by kind and name; read-only. */
export async function listSeries(_client: RedisClient, _prefix: string): Promise<SeriesName[]> {
  throw new Error('not yet');
}
