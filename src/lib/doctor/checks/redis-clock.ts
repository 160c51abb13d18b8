import { setTimeout as delay } from 'node:timers/promises';
import { formatDuration } from '../../core/units.js';
import { type Check, type Finding, fail, ok, warn } from '../check.js';
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
      // The quickest answer tells best when it was given.
      if (after - before < best.away) best = { away: after - before, ahead: (before + after) / 2 - there };
    }
    return judgeClock('this machine', best.ahead);
  },
};

const TELLING_MS = 1000;
/** As long as a lock by default: deadlines and retry times are then plainly wrong. */
const WRONG_MS = 10_000;

/** @param aheadMs how far the clock is ahead of the reference; negative: behind. */
export function judgeClock(whose: string, aheadMs: number): Finding {
  const off = Math.abs(aheadMs);
  if (off < TELLING_MS) return ok(`${formatDuration(off)} from that of Redis`);
  const found = `the clock of ${whose} is ${formatDuration(off)} ${aheadMs > 0 ? 'ahead' : 'behind'}: deadlines (--expires) and retries come at wrong times`;
  const fix = 'set the clock by the network: sudo timedatectl set-ntp true (or chronyc makestep)';
  return off >= WRONG_MS ? fail(found, fix) : warn(found, fix);
}
