import { describe, expect, it } from 'vitest';
import { Dispatcher, type DispatchHost } from '../../../src/lib/worker/dispatcher.js';
import { RunClock } from '../../../src/lib/worker/run-clock.js';
import type { RunEndings } from '../../../src/lib/worker/run-outcomes.js';
import type { RunnerSlot } from '../../../src/lib/worker/runner-slot.js';

const HOUR_MS = 3_600_000;

describe("a dispatcher's run times", () => {
  it.each([HOUR_MS, -HOUR_MS])("do not change when a failover sets Redis's clock by %i ms", (jump) => {
    const redis = { now: 10 * HOUR_MS };
    const { clocked } = new Dispatcher(0, {} as DispatchHost, {} as RunEndings, { now: () => redis.now })
      .runs;
    const slot = {} as RunnerSlot;
    clocked.begin(slot, 'digits');
    redis.now += jump;
    const during = clocked.runMs;
    clocked.end(slot);
    for (const ms of [during, clocked.runMs]) {
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThan(HOUR_MS / 2);
    }
  });
});

describe('the runs in progress', () => {
  it('are one a runner, with their model and their age', () => {
    const time = { now: 0 };
    const clock = new RunClock({ now: () => time.now });
    const [one, other] = [{}, {}] as [RunnerSlot, RunnerSlot];
    clock.begin(one, 'ocr');
    time.now = 40;
    clock.begin(other, 'digits');
    time.now = 50;
    expect(clock.runs).toEqual([
      { model: 'ocr', sinceMs: 50 },
      { model: 'digits', sinceMs: 10 },
    ]);
    clock.end(one);
    clock.end(other);
    expect(clock.runs).toEqual([]);
  });
});
