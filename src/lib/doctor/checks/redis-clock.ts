import { formatDuration } from '../../core/units.js';
import { type Check, type Finding, fail, ok, warn } from '../check.js';
import { permitted } from '../context.js';

export const redisClock: Check = {
  id: 'redis-clock',
  topic: 'redis',
  title: 'clock of this machine',
  run: async (context) => {
    const { client } = await context.redis();
    const before = context.clock.now();
    const [seconds, microseconds] = await permitted(client, client.time());
    const middle = (before + context.clock.now()) / 2;
    const there = Number(seconds) * 1000 + Number(microseconds) / 1000;
    return judgeClock('this machine', middle - there);
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
