import { describe, expect, it } from 'vitest';
import {
  clockState,
  isAutoscalerSilent,
  isGpuFull,
  isSilent,
  isUnserved,
  standsStill,
} from '../../../src/lib/deployment/judgements.js';
import { NOW, queue, worker } from '../doctor/records.js';

describe('a queue', () => {
  it.each([
    ['without workers is unserved', [], true],
    ['with a worker that is ready is served', [worker()], false],
    // Its jobs wait for its models to load, in `inspect` and `doctor` alike.
    ['with a worker that starts is served', [worker({ state: 'starting' })], false],
    ['with a worker that drains is unserved', [worker({ state: 'draining' })], true],
    ['with a worker of another queue is unserved', [worker({ queues: ['other'] })], true],
  ])('%s', (_, workers, expected) => {
    expect(isUnserved('q', workers)).toBe(expected);
  });

  const old = queue({ waiting: 5, oldestMs: 15_000 });
  it.each([
    ['stands still when its oldest job waits despite an idle worker', old, {}, true],
    ['moves when a job ended in the last minute', { ...old, ratePerSecond: 0.1 }, {}, false],
    ['moves when its oldest job has just come', { ...old, oldestMs: 14_999 }, {}, false],
    ['moves when a job runs', { ...old, active: 1 }, {}, false],
    ['waits for a worker that is busy elsewhere', old, { active: [{ id: 'x' }] }, false],
    ['waits while it is paused', { ...old, paused: true }, {}, false],
    ['waits without a worker', old, { state: 'draining' }, false],
    ['waits when a model has no worker', { ...old, unmatched: { m: 1 } }, {}, false],
  ])('%s', (_, seen, more, expected) => {
    const workers = [worker(more as object)];
    expect(standsStill(seen, { queues: [seen], workers })).toBe(expected);
  });

  it('that is new since the last look has not stood still', () => {
    const workers = [worker()];
    const before = { queues: [], workers };
    expect(standsStill(old, { queues: [old], workers }, before)).toBe(false);
  });

  it('whose worker is new since the last look has not stood still', () => {
    const earlier = { ...old, oldestMs: 13_000 };
    const now = { queues: [old], workers: [worker({ id: 'w2' })] };
    expect(standsStill(old, now, { queues: [earlier], workers: [worker()] })).toBe(false);
    expect(standsStill(old, now, { queues: [earlier], workers: now.workers })).toBe(true);
  });
});

it('a worker is silent after five seconds on the Redis clock', () => {
  expect(isSilent({ beatAt: NOW - 5000 }, NOW)).toBe(false);
  expect(isSilent({ beatAt: NOW - 5001 }, NOW)).toBe(true);
});

it('an autoscaler is silent after ten seconds and three of its intervals', () => {
  expect(isAutoscalerSilent({ decidedAt: NOW - 10_000 }, NOW)).toBe(false);
  expect(isAutoscalerSilent({ decidedAt: NOW - 10_001, intervalMs: 1000 }, NOW)).toBe(true);
  expect(isAutoscalerSilent({ decidedAt: NOW - 10_001, intervalMs: 5000 }, NOW)).toBe(false);
  expect(isAutoscalerSilent({ decidedAt: NOW - 15_001, intervalMs: 5000 }, NOW)).toBe(true);
});

it.each([
  [undefined, 'right'],
  [999, 'right'],
  [-1000, 'off'],
  [9999, 'off'],
  [-10_000, 'wrong'],
] as const)('a clock %s ms ahead is %s', (ahead, state) => {
  expect(clockState(ahead)).toBe(state);
});

it.each([
  [949, false],
  [950, true],
])('a GPU with %d of 1000 bytes in use: full is %s', (usedBytes, full) => {
  expect(isGpuFull({ usedBytes, totalBytes: 1000 })).toBe(full);
  expect(isGpuFull({ usedBytes, totalBytes: 0 })).toBe(false);
});
