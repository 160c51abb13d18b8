import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryDelay } from '../../../src/lib/worker/retry.js';

describe('retryDelay', () => {
  it.each<[string, { attempts?: number; retryDelayMs?: number }, number, string, number | undefined]>([
    ['first failure of the default three', {}, 0, 'RUNNER_DIED', 5000],
    ['second', {}, 1, 'RUNNER_DIED', 10_000],
    ['third: for good', {}, 2, 'RUNNER_DIED', undefined],
    ['a failing device', {}, 0, 'DEVICE_ERROR', 5000],
    ['a model that another worker may have', {}, 0, 'MODEL_UNSERVED', 5000],
    ['a code of another release', {}, 0, 'NEVER_HEARD_OF', undefined],
    ['the model itself fails', {}, 0, 'RUN_FAILED', undefined],
    ['bad input', {}, 0, 'INPUT_MISMATCH', undefined],
    ['an input that may be stored again', {}, 0, 'INPUT_LOST', 1000],
    ['an input that was not', {}, 1, 'INPUT_LOST', undefined],
    ['an input of one attempt', { attempts: 1 }, 0, 'INPUT_LOST', undefined],
    ['one attempt asked for', { attempts: 1 }, 0, 'RUNNER_DIED', undefined],
    ['five attempts', { attempts: 5 }, 3, 'RUNNER_DIED', 40_000],
    ['five attempts, all used', { attempts: 5 }, 4, 'RUNNER_DIED', undefined],
    ['own delay', { retryDelayMs: 100 }, 1, 'RUNNER_DIED', 200],
    ['no delay', { retryDelayMs: 0 }, 1, 'RUNNER_DIED', 0],
    ['at most an hour', { attempts: 100 }, 50, 'RUNNER_DIED', 3_600_000],
  ])('is right for %s', (_, spec, failures, code, expected) => {
    expect(retryDelay(spec, failures, code, 1)).toBe(expected);
  });

  it('is half a second to a second for a lost input', () => {
    expect([0, 0.5, 1].map((random) => retryDelay({}, 0, 'INPUT_LOST', random))).toEqual([500, 750, 1000]);
  });

  it('is spread over the upper half, and ends after the attempts', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 25 }),
        fc.integer({ min: 0, max: 60_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempts, failures, retryDelayMs, random) => {
          const ms = retryDelay({ attempts, retryDelayMs }, failures, 'RUNNER_DIED', random);
          if (failures + 1 >= attempts) expect(ms).toBeUndefined();
          else {
            const most = Math.min(retryDelayMs * 2 ** failures, 3_600_000);
            expect(ms).toBeGreaterThanOrEqual(Math.floor(most / 2));
            expect(ms).toBeLessThanOrEqual(most);
          }
        },
      ),
    );
  });
});
