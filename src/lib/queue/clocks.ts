import { formatDuration } from '../core/units.js';

export const CLOCK_FIX = 'set the clock by the network: sudo timedatectl set-ntp true (or chronyc makestep)';

/**
 * What it means that a clock is off. Queues go by Redis's clock and are not harmed.
 * @param aheadMs of Redis's clock; negative: behind
 */
export function clockText(whose: string, aheadMs: number): string {
  const off = formatDuration(Math.abs(aheadMs));
  return `the clock of ${whose} is ${off} ${aheadMs > 0 ? 'ahead of' : 'behind'} Redis's clock: times in its logs are wrong and TLS may fail; jobs are not affected`;
}
