import { setTimeout as delay } from 'node:timers/promises';
import { hasTrait } from '../core/error-table.js';
import { InferError, messageOf } from '../core/errors.js';
import type { DeploymentEvent, EventKind } from '../queue/events/types.js';
import type { ReconnectingReader } from './reconnecting-reader.js';

/** How soon an event is seen: three small commands each time. */
const LOOK_MS = 500;
const RETRY_MS = 1000;

export interface FollowFrom {
  /** Events that were read already; they are passed on first. */
  past: readonly DeploymentEvent[];
  /** Where that read ended. */
  cursor: string;
  kinds?: readonly EventKind[] | undefined;
}

export interface FollowHandlers {
  onEvent(event: DeploymentEvent): Promise<void> | void;
  /** Redis does not answer; called once until it does again. */
  onAway(error: Error): void;
}

/**
 * Passes on events as they come, each once, until `signal` fires. @throws InferError when it cannot go on.
 */
export async function followEvents(
  reader: ReconnectingReader,
  from: FollowFrom,
  { onEvent, onAway }: FollowHandlers,
  signal: AbortSignal,
): Promise<void> {
  let { cursor } = from;
  let away = false;
  for (const event of from.past) await onEvent(event);
  while (!signal.aborted) {
    try {
      const page = await reader.read((one) => one.events({ after: cursor, kinds: from.kinds, limit: 1000 }));
      cursor = page.cursor;
      away = false;
      for (const event of page.events) await onEvent(event);
    } catch (error) {
      if (!(error instanceof InferError) || hasTrait(error.code, 'settings-wrong')) throw error;
      if (!away) onAway(new Error(messageOf(error)));
      away = true;
    }
    await delay(away ? RETRY_MS : LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}
