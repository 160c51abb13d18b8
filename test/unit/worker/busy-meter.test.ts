import { describe, expect, it } from 'vitest';
import { BusyMeter } from '../../../src/lib/worker/busy-meter.js';

describe('how busy the devices of a worker were', () => {
  it('is the share of the runs in the time in which there was something to run', () => {
    const meter = new BusyMeter<string>();
    meter.join('a', 0);
    expect(meter.share(0)).toBeUndefined();
    meter.spent('a', 'idle', 0, 1000);
    meter.spent('a', 'take', 1000, 1010);
    meter.ran('a', { sentAt: 1015, begun: 1020, ended: 1100 });
    // 5 ms of plans before it was sent, 5 ms of staging after it.
    expect(meter.share(1100)).toEqual({
      share: 0.8,
      workMs: 100,
      why: { take: 0.1, settle: 0.05, stage: 0.05 },
    });
  });

  it('counts a micro-batch that was sent during the run before it as staged', () => {
    const meter = new BusyMeter<string>();
    meter.join('a', 0);
    meter.ran('a', { sentAt: 0, begun: 0, ended: 50 });
    meter.spent('a', 'look', 51, 53);
    meter.ran('a', { sentAt: 20, begun: 54, ended: 104 });
    expect(meter.share(104)).toEqual({ share: 0.962, workMs: 104, why: { look: 0.019, stage: 0.019 } });
  });

  it('counts time once, whatever was noted of it', () => {
    const meter = new BusyMeter<string>();
    meter.join('a', 0);
    meter.spent('a', 'take', 0, 10);
    meter.spent('a', 'look', 5, 20);
    meter.ran('a', { sentAt: 20, begun: 15, ended: 25 });
    expect(meter.share(25)).toEqual({ share: 0.4, workMs: 25, why: { take: 0.4, look: 0.2 } });
  });

  it('covers the last minute, all runners, and a run in progress', () => {
    const meter = new BusyMeter<string>();
    meter.join('a', 0);
    meter.join('b', 0);
    meter.ran('a', { sentAt: 0, begun: 10_000, ended: 20_000 });
    meter.begins('b', 30_000);
    expect(meter.share(40_000)).toEqual({ share: 0.667, workMs: 30_000, why: { stage: 0.333 } });
    meter.leave('b');
    expect(meter.share(95_000)).toBeUndefined();
    meter.ran('b', { sentAt: 0, begun: 0, ended: 9 });
    expect(meter.share(95_000)).toBeUndefined();
  });
});
