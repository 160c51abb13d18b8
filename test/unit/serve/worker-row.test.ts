import { describe, expect, it } from 'vitest';
import type { LiveWorker } from '../../../src/lib/deployment/live/live-workers.js';
import type { DeviceBusy } from '../../../src/lib/queue/device-busy.js';
import { figuresRow, NO_WORK, workerRow } from '../../../src/lib/serve/dashboard/snapshot-rows.js';

function rowOf(deviceBusy?: DeviceBusy) {
  const record = { queues: [], models: [], active: [], beatAt: 0, deviceBusy };
  return workerRow({ record, readAt: 0, busy: undefined } as unknown as LiveWorker, figuresRow(NO_WORK));
}

describe('the row of a worker', () => {
  it('says how busy its devices were while work waited, and what they waited for, in the order of a job', () => {
    const why = { settle: 0.0249, look: 0.1, stage: 0.15001, restart: 0.009 };
    expect(rowOf({ share: 0.72349, workMs: 50_000, why }).deviceBusy).toEqual({
      share: 0.723,
      waits: [
        { what: 'look', share: 0.1 },
        { what: 'stage', share: 0.15 },
        { what: 'settle', share: 0.025 },
      ],
    });
  });

  it('says nothing of devices that had nothing to run', () => {
    expect(rowOf().deviceBusy).toBeNull();
  });
});
