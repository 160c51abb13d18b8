import type { RedisClient } from '../../redis/types.js';
import { requestToken, writeOnce } from '../broker/once.js';
import { eventsKey, requestKey } from '../keys.js';
import type { DeploymentEvent } from './types.js';

/** Events kept, approximately: the oldest are trimmed first, in whole nodes of the stream. */
export const EVENTS_MAX = 5000;
/** Seconds after the last event that they expire. */
export const EVENTS_TTL = 14 * 86_400;
/** Characters kept of any one text. */
const TEXT_MAX = 300;

/** An event to be written: time and id are Redis's. */
export type NewEvent = Omit<DeploymentEvent, 'id' | 'at'>;

/** Fields of its entry in the stream, always as many. */
export function eventFields({ kind, subject, text, alarm, data }: NewEvent): string[] {
  const short = Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, value.slice(0, TEXT_MAX)]),
  );
  return [
    ...['kind', kind, 'subject', subject.kind, 'name', subject.name.slice(0, TEXT_MAX)],
    ...['text', text.slice(0, TEXT_MAX), 'alarm', alarm ? '1' : '0', 'data', JSON.stringify(short)],
  ];
}

/** Appends an event, once, even if it is sent again after a lost connection. */
export async function writeEvent(client: RedisClient, prefix: string, event: NewEvent): Promise<void> {
  const request = requestKey(`{${prefix}}`, requestToken());
  const capped = ['MAXLEN', '~', EVENTS_MAX, '*'] as const;
  await writeOnce(client, request, ['XADD', eventsKey(prefix), ...capped, ...eventFields(event)], EVENTS_TTL);
}
