import { describe, expect, it } from 'vitest';
import type { EventPage as SentEvents } from '../../../src/lib/queue/events/types.js';
import { HISTORY_RANGES, type History as SentHistory } from '../../../src/lib/queue/history/types.js';
import { type EventPage, type History, RANGES } from '../../../src/web/state/history-shapes.js';

describe('what the page reads of the history', () => {
  it('is what the queue writes', () => {
    // Compiles only while all that the page reads is in what is sent.
    const readable: [(sent: SentHistory) => History, (sent: SentEvents) => EventPage] = [
      (sent) => sent,
      (sent) => sent,
    ];
    expect(readable).toHaveLength(2);
    expect(Object.keys(RANGES)).toEqual([...HISTORY_RANGES]);
  });
});
