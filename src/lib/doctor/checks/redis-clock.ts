import { setTimeout as delay } from 'node:timers/promises';
import { formatDuration } from '../../core/units.js';
import { clockState } from '../../deployment/judgements.js';
import { CLOCK_FIX, clockText } from '../../queue/clocks.js';
import { type Check, fail, type Judgement, ok, warn } from '../check.js';
import { permitted } from '../context.js';

const LOOKS = 5;
const BETWEEN_LOOKS_MS = 60;

export const redisClock: Check = {
  id: 'redis-clock',
  topic: 'redis',
  title: 'clock of this machine',
  run: async (context) => {
    const { client } = await context.redis();
    let best = { away: Number.POSITIVE_INFINITY, ahead: 0 };
    for (let at = 0; at < LOOKS; at++) {
      await delay(BETWEEN_LOOKS_MS);
      const before = context.clock.now();
      const [seconds, microseconds] = await permitted(client, client.time());
      const after = context.clock.now();
      const there = Number(seconds) * 1000 + Number(microseconds) / 1000;
      // The fastest answer gives the most accurate time.
      if (after - before < best.away) best = { away: after - before, ahead: (before + after) / 2 - there };
    }
    return judgeClock('this machine', best.ahead);
  },
};

/** @param aheadMs how far the clock is ahead of Redis's; negative: behind. */
export function judgeClock(whose: string, aheadMs: number): Judgement {
  const state = clockState(aheadMs);
  if (state === 'right') return ok(`${formatDuration(Math.abs(aheadMs))} off Redis's clock`);
  const found = clockText(whose, aheadMs);
  return state === 'wrong' ? fail(found, CLOCK_FIX) : warn(found, CLOCK_FIX);
}
