import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../../src/lib/model/gpu-parse.js';
import type { GpuReport } from '../../../src/lib/model/gpus.js';
import { liveFlagsOf, planOf } from '../../../src/lib/scale/live-plan.js';

const gpu = (index: number): Gpu => ({ index, uuid: `GPU-${index}`, name: 'x', mig: [] });
const three: GpuReport = { state: 'ok', gpus: [gpu(0), gpu(1), gpu(2)] };
const none: GpuReport = { state: 'absent', gpus: [] };
const flags = (more: object = {}) =>
  liveFlagsOf({ 'dry-run': false, once: false, ...more }, ['realtime'], [], []);
const plan = (more: object = {}, report = three) => planOf(flags(more), report, 9);

describe("the autoscaler's plan for this host", () => {
  it('has a slot on each GPU, or on each core but one', () => {
    expect(plan()).toMatchObject({ onGpus: true, slots: 3, config: { min: 1, max: 3, threshold: null } });
    expect(plan({ 'workers-per-gpu': 2, max: 6 })).toMatchObject({ slots: 6, config: { max: 6 } });
    expect(plan({ gpus: '0, 2' })).toMatchObject({ slots: 2 });
    expect(plan({}, none)).toMatchObject({ onGpus: false, slots: 8, cpuThreads: 1 });
    expect(plan({ gpus: 'none', max: 2 })).toMatchObject({
      onGpus: false,
      slots: 8,
      config: { max: 2 },
      cpuThreads: 4,
    });
    // More than cores are allowed there: they only take longer.
    expect(plan({ max: 20 }, none)).toMatchObject({ slots: 20, cpuThreads: 1 });
  });

  it.each([
    [{ max: 4 }, /--max 4 is more than the 3 slots of this host \(3 GPUs, 1 worker each\)/],
    [{ max: 7, 'workers-per-gpu': 2 }, /more than the 6 slots/],
    [{ min: 4 }, /--min 4 is more than the 3 slots/],
    [{ min: 3, max: 2 }, /--min 3 is more than --max 2/],
    [{ spare: 9 }, /--spare/],
    [{ interval: 1 }, /--interval/],
    [{ 'target-wait': 0 }, /--target-wait/],
    [{ policy: 'magic' }, /no policy 'magic'/],
    [{ policy: 'fixed:9' }, /fixed:9 is outside/],
  ])('is rejected for %j, exit 2', (more, message) => {
    expect(() => plan(more)).toThrow(
      expect.objectContaining({ exitCode: 2, message: expect.stringMatching(message) }),
    );
  });

  it('fails with exit 69 for a missing GPU or a silent driver', () => {
    expect(() => plan({ gpus: '7' })).toThrow(expect.objectContaining({ code: 'GPU_UNKNOWN', exitCode: 69 }));
    const hung: GpuReport = { state: 'hung', gpus: [], reason: 'no answer' };
    expect(() => plan({}, hung)).toThrow(expect.objectContaining({ code: 'GPU_DISCOVERY', exitCode: 69 }));
    expect(plan({ gpus: 'none' }, hung)).toMatchObject({ onGpus: false });
  });

  it('accepts no positional arguments', () => {
    expect(() => liveFlagsOf({ 'dry-run': false, once: false }, [], ['realtime'], [])).toThrow(
      /unexpected argument: realtime/,
    );
  });
});
