import type { RedisClient } from '../../redis/types.js';
import type { EventPage, EventQuery } from './types.js';

/**
 * Reads events and changes from the audit logs, in order of time; read-only. A user who may not read the audit logs gets
 * the events alone.
 */
export async function readEvents(
  _client: RedisClient,
  _prefix: string,
  _query: EventQuery = {},
): Promise<EventPage> {
  throw new Error('not yet');
}
