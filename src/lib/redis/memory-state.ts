import { THRESHOLDS, type Threshold } from '../core/thresholds.js';
import { memoryHeadroom, type RedisFacts } from './info.js';

type Memory = Pick<RedisFacts, 'usedMemory' | 'maxMemory'>;

/** Whether a server has a limit and uses this share of it, or more. */
export function reaches(facts: Memory, { value }: Threshold): boolean {
  const headroom = memoryHeadroom(facts);
  return headroom !== undefined && 1 - headroom >= value;
}

/** How full a broker's memory is: at `full`, new jobs are refused. */
export function memoryState(facts: Memory): 'unlimited' | 'fine' | 'filling' | 'full' {
  if (memoryHeadroom(facts) === undefined) return 'unlimited';
  if (reaches(facts, THRESHOLDS.memoryFull)) return 'full';
  return reaches(facts, THRESHOLDS.memoryFilling) ? 'filling' : 'fine';
}

/** Whether a server has reached its limit, so that it refuses all writes, including those of workers. */
export function refusesWrites(facts: Memory): boolean {
  const headroom = memoryHeadroom(facts);
  return headroom !== undefined && headroom <= 0;
}
