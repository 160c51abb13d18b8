import { describe, expect, it } from 'vitest';
import {
  afterFailure,
  decideRunners,
  NO_MEMORY,
  type RunnerLook,
  type ScaleDecision,
  type ScaleMemory,
} from '../../../src/lib/worker/runner-scale.js';

const BOUNDS = { max: 8, min: 2 };
const KEEP_MS = 30_000;
const MB = 1024 * 1024;

const look = (over: Partial<RunnerLook> = {}): RunnerLook => ({
  now: 1_000_000,
  runners: 2,
  busy: 0,
  peak: 0,
  waitingRuns: 0,
  runMs: 100,
  startMs: 400,
  ...over,
});
const decide = (over: Partial<RunnerLook>, memory: ScaleMemory = NO_MEMORY): ScaleDecision =>
  decideRunners(BOUNDS, KEEP_MS, memory, look(over));

/** A worker under a fake clock that applies every decision at once; one look per `stepMs`. */
class Simulated {
  now = 0;
  runners = 2;
  memory = NO_MEMORY;
  readonly sizes: number[] = [];

  constructor(private readonly bounds = BOUNDS) {}

  run(ms: number, load: Partial<RunnerLook>, stepMs = 250): void {
    for (const end = this.now + ms; this.now < end; this.now += stepMs) {
      const busy = Math.min(load.busy ?? 0, this.runners);
      const moment = { ...load, now: this.now, runners: this.runners, busy, peak: busy };
      const { want, memory } = decideRunners(this.bounds, KEEP_MS, this.memory, look(moment));
      this.memory = memory;
      this.runners = want;
      this.sizes.push(want);
    }
  }
}

describe('growing', () => {
  it.each<[string, Partial<RunnerLook>, number]>([
    ['work for longer than a runner takes to start: one for each run', { waitingRuns: 3, runMs: 500 }, 5],
    ['never above the most', { waitingRuns: 50, runMs: 500 }, 8],
    ['a long first run counts by its age', { waitingRuns: 1, runMs: 900 }, 3],
    ['done sooner than a runner starts', { waitingRuns: 3, runMs: 10 }, 2],
    ['exactly as long', { waitingRuns: 8, runMs: 100 }, 2],
    ['a hair longer', { waitingRuns: 9, runMs: 100 }, 8],
    ['nothing waits', { waitingRuns: 0, runMs: 5000 }, 2],
    ['a runner is free', { waitingRuns: 9, runMs: 500, busy: 1 }, 2],
  ])('is decided: %s', (_, over, want) => {
    expect(decide({ busy: 2, ...over }).want).toBe(want);
  });

  it('happens for short runs too, when work waited for a second with no runner free', () => {
    const worker = new Simulated();
    worker.run(1000, { busy: 8, waitingRuns: 1, runMs: 5 });
    expect(worker.runners).toBe(2);
    worker.run(250, { busy: 8, waitingRuns: 1, runMs: 5 });
    expect(worker.runners).toBe(3);
  });

  it('does not happen when a runner was free in between', () => {
    const worker = new Simulated();
    for (let turn = 0; turn < 10; turn++) {
      worker.run(750, { busy: 8, waitingRuns: 1, runMs: 5 });
      worker.run(250, { busy: 1, waitingRuns: 0, runMs: 5 });
    }
    expect(worker.runners).toBe(2);
  });

  it('gives the reason with figures', () => {
    expect(decide({ busy: 2, waitingRuns: 9, runMs: 500 }).reason).toBe(
      '9 runs wait, no runner is free: 2.3 s of work, a runner starts in 400 ms',
    );
    const waited = { neededAt: [], pressedSince: 998_500 };
    expect(decide({ busy: 2, waitingRuns: 1, runMs: 5 }, waited).reason).toBe(
      '1 run waits, no runner is free: for 1.5 s',
    );
    // Exactly the time of a start does not exceed it.
    expect(decide({ busy: 2, waitingRuns: 8, runMs: 100 }, waited).reason).toBe(
      '8 runs wait, no runner is free: for 1.5 s',
    );
  });

  it('does not happen while nothing waits, even if all runners are busy, and logs nothing', () => {
    const waited = { neededAt: [], pressedSince: 900_000 };
    const { want, reason, memory } = decide({ busy: 2, waitingRuns: 0 }, waited);
    expect([want, reason, memory.pressedSince]).toEqual([2, undefined, undefined]);
  });

  it('does not happen at the maximum, and logs nothing', () => {
    const { want, reason } = decide({ runners: 8, busy: 8, waitingRuns: 50, runMs: 500 });
    expect([want, reason]).toEqual([8, undefined]);
  });

  it('does not happen without free memory for one and a half runners', () => {
    const burst = { busy: 2, waitingRuns: 9, runMs: 500 };
    const short = decide({ ...burst, memory: { runnerBytes: 100 * MB, freeBytes: 149 * MB } });
    expect(short).toMatchObject({
      want: 2,
      reason: 'no memory for another: 149 MB free, a runner has 100 MB',
    });
    expect(decide({ ...burst, memory: { runnerBytes: 100 * MB, freeBytes: 150 * MB } }).want).toBe(8);
  });

  it('does not happen for 30 s after a runner failed to start', () => {
    const burst = { busy: 2, waitingRuns: 9, runMs: 500 };
    const failed = afterFailure(decide(burst).memory, 1_000_000);
    const soon = decide({ ...burst, now: 1_029_999 }, failed);
    expect(soon.want).toBe(2);
    expect(decide({ ...burst, now: 1_030_000 }, soon.memory).want).toBe(8);
    expect(decide({ runners: 1, now: 1_029_999 }, failed).want).toBe(1);
  });
});

describe('shrinking', () => {
  it('removes one runner at a time, after the keep-alive without work for it', () => {
    const worker = new Simulated();
    worker.run(250, { busy: 8, waitingRuns: 20, runMs: 1000 });
    expect(worker.runners).toBe(8);
    worker.run(30_000, { busy: 0 });
    expect(worker.runners).toBe(8);
    worker.run(2000, { busy: 0 });
    expect(worker.sizes.slice(-8)).toEqual([7, 6, 5, 4, 3, 2, 2, 2]);
  });

  it('stops at the peak of busy runners in that time', () => {
    const worker = new Simulated();
    worker.run(250, { busy: 8, waitingRuns: 20, runMs: 1000 });
    for (let turn = 0; turn < 20; turn++) {
      worker.run(250, { busy: 5 });
      worker.run(10_000, { busy: 1 });
    }
    expect(worker.runners).toBe(5);
  });

  it('keeps a new runner for the whole keep-alive', () => {
    const { memory } = decide({ runners: 5, peak: 1, now: 5_000_000 });
    const before = decide({ runners: 5, peak: 1, now: 5_029_999 }, memory);
    expect(before.want).toBe(5);
    const after = decide({ runners: 5, peak: 1, now: 5_030_000 }, before.memory);
    expect(after).toMatchObject({ want: 4, reason: 'fewer than 5 had work at the same time for 30 s' });
  });

  it('never goes below the minimum, nor happens while work waits with no runner free', () => {
    const worker = new Simulated();
    worker.run(3_600_000, { busy: 0 }, 10_000);
    expect(new Set(worker.sizes)).toEqual(new Set([2]));
    const full = new Simulated();
    full.run(250, { busy: 8, waitingRuns: 20, runMs: 1000 });
    full.run(3_600_000, { busy: 8, waitingRuns: 1, runMs: 1 }, 10_000);
    expect(full.runners).toBe(8);
  });
});

describe('changed bounds', () => {
  it('apply at once', () => {
    const bounds = { max: 4, min: 3 };
    const at = (runners: number) =>
      decideRunners(bounds, KEEP_MS, NO_MEMORY, look({ runners, busy: 9, peak: 9 }));
    expect(at(8)).toMatchObject({ want: 4, reason: '4 at most' });
    expect(at(1)).toMatchObject({ want: 3, reason: '3 at least' });
    expect(at(3).want).toBe(3);
  });

  it('that are equal fix the number', () => {
    const worker = new Simulated({ max: 2, min: 2 });
    worker.run(60_000, { busy: 8, waitingRuns: 20, runMs: 1000 });
    worker.run(60_000, { busy: 0 });
    expect(new Set(worker.sizes)).toEqual(new Set([2]));
  });
});
