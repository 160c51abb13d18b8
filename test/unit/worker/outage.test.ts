import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import type { ConnectionEvent } from '../../../src/lib/redis/connect.js';
import { Outage } from '../../../src/lib/worker/outage.js';

const LOST: ConnectionEvent = { state: 'lost', error: new InferError('REDIS_UNREACHABLE', 'away') };
const BACK: ConnectionEvent = { state: 'back', downMs: 1 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('a worker that ends waits less for a Redis that is away', () => {
  const outage = new Outage(() => undefined);
  expect([outage.patienceMs, outage.isLong]).toEqual([2000, false]);
  outage.onState(LOST);
  expect([outage.patienceMs, outage.isLong]).toEqual([500, false]);
  vi.advanceTimersByTime(2000);
  // Further attempts that fail do not begin the outage again.
  outage.onState(LOST);
  expect(outage.isLong).toBe(true);
  outage.onState(BACK);
  expect([outage.patienceMs, outage.isLong, outage.backAt]).toEqual([2000, false, performance.now()]);
});

it('a step that waited for Redis in vain tells of an outage, too', () => {
  const outage = new Outage(() => undefined);
  outage.noticed();
  expect(outage.patienceMs).toBe(500);
});

it('an outage is told once in ten seconds, and its end where its beginning was', () => {
  const told: string[] = [];
  const outage = new Outage(({ state }) => told.push(state));
  for (const event of [LOST, BACK, LOST, BACK]) outage.onState(event);
  expect(told).toEqual(['lost', 'back']);
  vi.advanceTimersByTime(10_000);
  outage.onState(LOST);
  expect(told).toEqual(['lost', 'back', 'lost']);
});
