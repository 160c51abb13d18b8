import type { RedisClient } from '../../redis/types.js';
import { type DataLoss, lossText, readLosses } from '../data-mark.js';
import { changeState } from './change-state.js';
import type { NewEvent } from './write-event.js';

/** First part of the name of a loss among the states; its time follows. */
const LOSSES = 'loss:';
/** A loss that was noticed longer ago is not told any more, ms. */
const TOLD_MS = 300_000;

/** Writes an event for each recent loss of Redis's data, once. */
export async function tellLosses(client: RedisClient, prefix: string, now: number): Promise<void> {
  for (const loss of await readLosses(client, prefix, [])) {
    if (now - loss.noticedAt > TOLD_MS) continue;
    const facts = { at: loss.noticedAt };
    await changeState(client, prefix, {
      thing: `${LOSSES}${loss.kind}:${loss.noticedAt}`,
      on: true,
      facts,
      event: lost(loss),
    });
  }
}

/** Whether a thing among the states is a loss that needs no longer be remembered. */
export function isOldLoss(thing: string, facts: Record<string, unknown>, now: number): boolean {
  return thing.startsWith(LOSSES) && now - Number(facts.at ?? 0) > 2 * TOLD_MS;
}

function lost(loss: DataLoss): NewEvent {
  const subject = { kind: 'deployment', name: 'redis' } as const;
  return { kind: 'data-lost', subject, text: lossText(loss), alarm: true, data: { loss: loss.kind } };
}
