import type { Snapshot } from '../../lib/serve/dashboard/shapes.js';
import { duration } from '../format/units.js';
import type { StreamState } from '../stream/live-stream.js';

/** Figures that are older than this many milliseconds are told with their age. */
const OLD_MS = 3000;

/** The newest snapshot and when this page received it, by the computer's own clock. */
export interface Received {
  snapshot: Snapshot;
  receivedAt: number;
}

export interface Freshness {
  tone: 'good' | 'busy' | 'warn' | 'bad' | 'off';
  /** Such as `live`, `paused, 12 s old`. */
  text: string;
}

/**
 * Whether the page is live, and how old its figures are.
 * @param now of this computer's clock, as `receivedAt` is
 */
export function freshnessOf(
  state: StreamState['kind'],
  received: Received | undefined,
  now: number,
): Freshness {
  const age = received === undefined ? undefined : ageOf(received, now);
  const isOld = age !== undefined && age >= OLD_MS;
  const old = isOld ? `, ${duration(Math.round(age / 1000) * 1000)} old` : '';
  switch (state) {
    case 'paused':
      return { tone: 'off', text: `paused${old}` };
    case 'connecting':
      return { tone: 'busy', text: `connecting${old}` };
    case 'live': {
      const isAway = received !== undefined && received.snapshot.redisAwaySince !== null;
      if (isAway) return { tone: 'bad', text: `Redis is away${old}` };
      return { tone: isOld ? 'warn' : 'good', text: `live${old}` };
    }
    default:
      return { tone: 'bad', text: `not connected${old}` };
  }
}

/** Milliseconds since the figures were read, which may be long before the snapshot was made. */
function ageOf({ snapshot, receivedAt }: Received, now: number): number {
  const readAt = newestRead(snapshot);
  const before = readAt === undefined ? 0 : Math.max(0, snapshot.at - readAt);
  return before + (now - receivedAt);
}

/** When the newest of what is read each second was read: a part that fails alone says so itself. */
function newestRead({ queues, workers, starting, autoscalers }: Snapshot): number | undefined {
  const times = [queues, workers, starting, autoscalers].flatMap(({ at }) => at ?? []);
  return times.length === 0 ? undefined : Math.max(...times);
}
