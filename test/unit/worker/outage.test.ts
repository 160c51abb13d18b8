import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import type { ConnectionEvent } from '../../../src/lib/redis/connect.js';
import { Outage } from '../../../src/lib/worker/outage.js';

const LOST: ConnectionEvent = { state: 'lost', error: new InferError('REDIS_UNREACHABLE', 'away') };
const BACK: ConnectionEvent = { state: 'back', downMs: 1 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('a stopping worker waits less for an unreachable Redis', () => {
  const outage = new Outage(() => undefined);
  expect([outage.patienceMs, outage.isLong]).toEqual([2000, false]);
  outage.onState(LOST);
  expect([outage.patienceMs, outage.isLong]).toEqual([500, false]);
  vi.advanceTimersByTime(2000);
  // Further failed attempts do not restart the outage.
  outage.onState(LOST);
  expect(outage.isLong).toBe(true);
  outage.onState(BACK);
  expect([outage.patienceMs, outage.isLong, outage.backAt]).toEqual([2000, false, performance.now()]);
});

it('a step that failed to reach Redis counts as an outage too', () => {
  const outage = new Outage(() => undefined);
  outage.noticed();
  expect(outage.patienceMs).toBe(500);
});

it('an outage is reported at most once in ten seconds, and its end only if its start was', () => {
  const told: string[] = [];
  const outage = new Outage(({ state }) => told.push(state));
  for (const event of [LOST, BACK, LOST, BACK]) outage.onState(event);
  expect(told).toEqual(['lost', 'back']);
  vi.advanceTimersByTime(10_000);
  outage.onState(LOST);
  expect(told).toEqual(['lost', 'back', 'lost']);
});
