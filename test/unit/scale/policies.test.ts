import { describe, expect, it } from 'vitest';
import { fixedPolicy, stepPolicy } from '../../../src/lib/scale/policy-step.js';
import { type SlotRecords, updateSlots, usableSlots } from '../../../src/lib/scale/slots.js';
import { CONFIG, queueAt, START, workersOf } from './observed.js';

const fleet = (committed: number) => ({
  committed,
  ready: committed,
  busy: 0,
  startingSince: [],
  coldStartMs: 20_000,
});

describe('the step policy', () => {
  const look = (waiting: number, threshold: number | null = null) => {
    const policy = stepPolicy({ ...CONFIG, threshold });
    return policy.plan(policy.initial(), START, queueAt(START, { waiting }), fleet(2));
  };

  it('wants one more worker above its threshold of 50', () => {
    expect(stepPolicy(CONFIG).name).toBe('step');
    expect(look(50)).toEqual({ state: { nextAt: START + 10_000 }, wanted: 2, because: '50 waiting <= 50' });
    expect(look(51)).toMatchObject({ wanted: 3, because: '51 waiting > 50' });
    expect(look(8, 7)).toMatchObject({ wanted: 3, because: '8 waiting > 7' });
  });

  it('decides every 10 s, whatever waits in between', () => {
    const policy = stepPolicy(CONFIG);
    const first = policy.plan(policy.initial(), START, queueAt(START, { waiting: 99 }), fleet(1));
    const next = (ms: number) =>
      policy.plan(first.state, START + ms, queueAt(START + ms, { waiting: 99 }), fleet(2));
    expect(next(9999)).toEqual({ state: first.state, wanted: 2, because: 'the next look is every 10s' });
    expect(next(10_000)).toMatchObject({ wanted: 3, state: { nextAt: START + 20_000 } });
  });
});

describe('the fixed policy', () => {
  it('always wants its number', () => {
    const policy = fixedPolicy(3);
    expect(policy.name).toBe('fixed:3');
    for (const waiting of [0, 9999]) {
      expect(policy.plan(policy.initial(), START, queueAt(START, { waiting }), fleet(1))).toEqual({
        state: null,
        wanted: 3,
        because: 'fixed at 3',
      });
    }
  });
});

describe('a slot', () => {
  const failing = (times: number): SlotRecords => {
    let records: SlotRecords = {};
    for (let i = 0; i < times; i++) records = updateSlots(records, START, ['s'], [], {});
    return records;
  };

  it.each([
    [1, 5000, false],
    [2, 10_000, false],
    [3, 20_000, false],
    [4, 40_000, false],
    [5, 80_000, true],
    [7, 300_000, true],
    [9, 300_000, true],
  ])('after %d failures in a row pauses for %d ms, abandoned: %s', (failures, pause, failed) => {
    expect(failing(failures)).toEqual({ s: { failures, retryAt: START + pause, failed } });
  });

  it('is reset after a minute with a ready worker in it, but not for one elsewhere', () => {
    const [worker] = workersOf(['ready']);
    const at = (slot: string | null, readyFor: number) =>
      updateSlots(failing(2), START, [], [{ ...(worker as NonNullable<typeof worker>), slot }], {
        w0: START - readyFor,
      });
    expect(at('s', 60_000)).toEqual({});
    expect(at('s', 59_999)).toEqual(failing(2));
    expect(at('other', 60_000)).toEqual(failing(2));
    expect(at(null, 60_000)).toEqual(failing(2));
    expect(updateSlots(failing(2), START, [], [{ ...worker, slot: 's' } as never], {})).toEqual(failing(2));
  });

  it('is free, in order, without a worker, an abandonment or a pause', () => {
    const records: SlotRecords = {
      b: { failures: 1, retryAt: START + 1, failed: false },
      c: { failures: 1, retryAt: START, failed: false },
      d: { failures: 5, retryAt: 0, failed: true },
    };
    const [worker] = workersOf(['draining']);
    const used = [{ ...(worker as NonNullable<typeof worker>), slot: 'e' }];
    expect(usableSlots(records, START, ['f', 'a', 'b', 'c', 'd', 'e'], used)).toEqual(['f', 'a', 'c']);
    expect(usableSlots(records, START + 1, ['b'], [])).toEqual(['b']);
  });
});
