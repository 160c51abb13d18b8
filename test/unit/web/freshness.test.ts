import { describe, expect, it } from 'vitest';
import type { Snapshot } from '../../../src/lib/serve/dashboard/shapes.js';
import { freshnessOf } from '../../../src/web/state/freshness.js';

const AT = 1_800_000_000_000;

function received(readAt: number | null, { receivedAt = 5000, away = false, lagging = readAt } = {}) {
  const part = (at: number | null) => ({ data: null, at, error: null });
  const snapshot = {
    at: AT,
    redisAwaySince: away ? AT - 1000 : null,
    queues: part(readAt),
    workers: part(lagging),
    starting: part(readAt),
    autoscalers: part(readAt),
  } as unknown as Snapshot;
  return { snapshot, receivedAt };
}

describe('what the top right of the page says', () => {
  it('live, in green, while the figures are fresh', () => {
    expect(freshnessOf('live', received(AT - 900), 6000)).toEqual({ tone: 'good', text: 'live' });
  });

  it('that Redis is away and how old the figures are, though snapshots still arrive', () => {
    expect(freshnessOf('live', received(AT - 13_000, { away: true }), 5200)).toEqual({
      tone: 'bad',
      text: 'Redis is away, 13 s old',
    });
    expect(freshnessOf('live', received(null, { away: true }), 5200)).toEqual({
      tone: 'bad',
      text: 'Redis is away',
    });
  });

  it('the age of the figures, not in green, once they are older than three seconds', () => {
    expect(freshnessOf('live', received(AT - 2000), 6000)).toEqual({ tone: 'warn', text: 'live, 3 s old' });
    expect(freshnessOf('live', received(AT), 12_000).text).toBe('live, 7 s old');
  });

  it('nothing of one part that fails alone', () => {
    expect(freshnessOf('live', received(AT, { lagging: AT - 60_000 }), 5000).text).toBe('live');
  });

  it.each([
    ['paused', 'off', 'paused, 20 s old'],
    ['connecting', 'busy', 'connecting, 20 s old'],
    ['waiting', 'bad', 'not connected, 20 s old'],
  ] as const)('%s with the age', (state, tone, text) => {
    expect(freshnessOf(state, received(AT - 10_000), 15_000)).toEqual({ tone, text });
  });

  it('no age before anything was received', () => {
    expect(freshnessOf('connecting', undefined, 5000)).toEqual({ tone: 'busy', text: 'connecting' });
  });
});
