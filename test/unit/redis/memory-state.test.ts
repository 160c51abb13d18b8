import { describe, expect, it } from 'vitest';
import { THRESHOLDS } from '../../../src/lib/core/thresholds.js';
import { judgeResultsRedis } from '../../../src/lib/doctor/checks/redis-results.js';
import { memoryState, reaches } from '../../../src/lib/redis/memory-state.js';

it.each([
  [50, 0, 'unlimited'],
  [59, 100, 'fine'],
  [60, 100, 'filling'],
  [79, 100, 'filling'],
  [80, 100, 'full'],
  [120, 100, 'full'],
] as const)('%d of %d bytes of memory are %s', (usedMemory, maxMemory, state) => {
  expect(memoryState({ usedMemory, maxMemory })).toBe(state);
});

describe('a share of memory is reached', () => {
  const shares = Object.entries(THRESHOLDS).filter(([name]) => /^memory|^results/.test(name));
  expect(shares).toHaveLength(4);
  it.each(shares)('from %s on, and never without a limit', (_, threshold) => {
    const usedMemory = threshold.value * 1000;
    expect(reaches({ usedMemory, maxMemory: 1000 }, threshold)).toBe(true);
    expect(reaches({ usedMemory: usedMemory - 1, maxMemory: 1000 }, threshold)).toBe(false);
    expect(reaches({ usedMemory, maxMemory: 0 }, threshold)).toBe(false);
  });

  it('in a results Redis from the share in the table on, like in a broker', () => {
    const policy = 'noeviction';
    expect(judgeResultsRedis('r', { usedMemory: 900, maxMemory: 1000, policy }).status).toBe('warn');
    expect(judgeResultsRedis('r', { usedMemory: 899, maxMemory: 1000, policy }).status).toBe('ok');
  });
});
