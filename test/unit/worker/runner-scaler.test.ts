import { describe, expect, it, vi } from 'vitest';
import { RunnerScaler, type ScalerParts } from '../../../src/lib/worker/runner-scaler.js';
import { silentLogger } from '../../support/silent-logger.js';

/** A worker whose load, queues and runners are set by the test. */
class Posed {
  now = 1_000_000;
  state: 'ready' | 'draining' = 'ready';
  busy = true;
  /** Micro-batches it holds in addition to running ones. */
  held = 2;
  /** Jobs in Redis. */
  queued = 5;
  fullQueues = ['a'];
  runMs = 1000;
  slots: number[] = [1];
  counts: string[] = [];
  refuses: Error | undefined;
  /** Resolvers of the changes in progress, when these are to wait. */
  slow: (() => void)[] | undefined;
  asked: number[] = [];

  readonly scaler = RunnerScaler.of(
    { autoscale: { max: 4, min: 1 }, keepAliveMs: 30_000 },
    this.parts(),
  ) as RunnerScaler;

  async look(): Promise<void> {
    await this.scaler.look();
    // What it began runs concurrently, entirely in microtasks here.
    await new Promise(setImmediate);
  }

  private parts(): ScalerParts {
    const posed = this;
    const consumer = (queue: string) => ({
      queue,
      waiting: async () => {
        posed.counts.push(queue);
        return posed.queued;
      },
    });
    const worker = {
      get state() {
        return posed.state;
      },
      load: {
        get isPressed() {
          return posed.busy && posed.held > 0;
        },
        get fullQueues() {
          return posed.fullQueues;
        },
        look: (queued: number) => ({
          runners: posed.slots.length,
          busy: posed.busy ? posed.slots.length : 0,
          peak: posed.busy ? posed.slots.length : 0,
          waitingRuns: posed.held + queued,
          runMs: posed.runMs,
          startMs: 100,
        }),
      },
      changes: {
        setConcurrency: async (wanted: number) => {
          posed.asked.push(wanted);
          if (posed.refuses !== undefined) throw posed.refuses;
          const { slow } = posed;
          if (slow !== undefined) await new Promise<void>((resolve) => slow.push(resolve));
          posed.slots = Array.from({ length: wanted }, (_, at) => at);
          return wanted;
        },
      },
    };
    const pool = {
      get slots() {
        return posed.slots;
      },
      memory: async () => 0,
    };
    return {
      worker,
      pool,
      consumers: [consumer('a'), consumer('b')],
      clock: { now: () => posed.now },
      log: silentLogger(),
    } as unknown as ScalerParts;
  }
}

describe("the runner scaler's requests to Redis", () => {
  it('are none while a runner is free, or at the maximum', async () => {
    const posed = new Posed();
    posed.busy = false;
    await posed.look();
    posed.busy = true;
    posed.slots = [1, 2, 3, 4];
    await posed.look();
    expect(posed.counts).toEqual([]);
  });

  it('cover only queues that are fully prefetched, once a second', async () => {
    const posed = new Posed();
    posed.runMs = 0;
    for (let looks = 0; looks < 8; looks++) {
      posed.now += 250;
      // It has to be asked again each time it grows.
      posed.slots = [1];
      await posed.look();
    }
    expect(posed.counts).toEqual(['a', 'a']);
    posed.fullQueues = [];
    posed.now += 5000;
    await posed.look();
    expect(posed.counts).toHaveLength(2);
  });
});

describe('the runner scaler', () => {
  it('starts one runner after another, as long as it is still wanted', async () => {
    const posed = new Posed();
    posed.slow = [];
    await posed.look();
    expect(posed.asked).toEqual([2]);
    // Looks meanwhile do not repeat the start.
    await posed.look();
    expect(posed.asked).toEqual([2]);
    posed.slow.shift()?.();
    await vi.waitFor(() => expect(posed.asked).toEqual([2, 3]), 60_000);
    posed.held = 0;
    posed.slow.shift()?.();
    await new Promise(setImmediate);
    expect(posed.asked).toEqual([2, 3]);
    expect(posed.slots).toHaveLength(3);
  });

  it('grows to the maximum, and shrinks by one per look', async () => {
    const posed = new Posed();
    await posed.look();
    expect(posed.asked).toEqual([2, 3, 4]);
    posed.busy = false;
    posed.held = 0;
    await posed.look();
    posed.now += 30_000;
    for (let looks = 0; looks < 5; looks++) await posed.look();
    expect(posed.asked).toEqual([2, 3, 4, 3, 2, 1]);
  });

  it('does nothing once the worker drains', async () => {
    const posed = new Posed();
    posed.state = 'draining';
    await posed.look();
    expect(posed.asked).toEqual([]);
    posed.state = 'ready';
    posed.slow = [];
    await posed.look();
    posed.state = 'draining';
    posed.slow.shift()?.();
    await new Promise(setImmediate);
    expect(posed.asked).toEqual([2]);
  });

  it('does not retry a failed start for 30 s, and running ones continue', async () => {
    const posed = new Posed();
    posed.refuses = new Error('no such model');
    await posed.look();
    posed.now += 29_000;
    await posed.look();
    expect(posed.asked).toEqual([2]);
    posed.refuses = undefined;
    posed.now += 1000;
    await posed.look();
    expect(posed.slots).toHaveLength(4);
  });

  it('applies changed bounds from the next look', async () => {
    const posed = new Posed();
    posed.scaler.bounds = { max: 2, min: 2 };
    posed.busy = false;
    await posed.look();
    expect(posed.asked).toEqual([2]);
  });
});

describe('a worker without bounds', () => {
  it('has no scaler', () => {
    const parts = {} as ScalerParts;
    expect(RunnerScaler.of({ keepAliveMs: 30_000 }, parts)).toBeUndefined();
  });
});
