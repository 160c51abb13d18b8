import { describe, expect, it } from 'vitest';
import type { HostTime } from '../../../src/lib/core/host-time.js';
import { RunGate } from '../../../src/lib/model/run-gate.js';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const time: HostTime = { now: () => 1000, after: () => () => undefined, turn };

/** A gate at which run 7 is expected, and what it tells the worker. */
function gate() {
  const told: string[] = [];
  const made = new RunGate(async (id, notice) => {
    told.push(`${id} ${notice}`);
  }, time);
  made.expect(7);
  return { gate: made, told };
}

describe('the gate of runs that were handed over', () => {
  it.each([
    ['of now', 1000],
    ['without a time', null],
  ])('begins a run with a permit %s, and says so', async (_, until) => {
    const { gate: one, told } = gate();
    one.permit(7, until);
    expect(await one.admits(7)).toBe(true);
    expect(told).toEqual(['7 begins']);
  });

  it('asks once where the permit has expired, and waits for one without a time', async () => {
    const { gate: one, told } = gate();
    one.permit(7, 999);
    const admitted = one.admits(7);
    await turn();
    await turn();
    one.permit(7, 999.5);
    await turn();
    expect(told).toEqual(['7 asks']);
    one.permit(7, null);
    expect(await admitted).toBe(true);
    expect(told).toEqual(['7 asks', '7 begins']);
  });

  it('does not use a permit with a time after a run in which a row failed: its worker decides first', async () => {
    const { gate: one, told } = gate();
    one.permit(7, 2000);
    one.ended(false);
    const admitted = one.admits(7);
    await turn();
    await turn();
    expect(told).toEqual(['7 asks']);
    one.permit(7, null);
    expect(await admitted).toBe(true);
    one.ended(true);
    one.expect(8);
    one.permit(8, 2000);
    expect(await one.admits(8)).toBe(true);
  });

  it('does not begin a run that was recalled while the run before it was in progress', async () => {
    const { gate: one, told } = gate();
    one.permit(7, null);
    const admitted = one.admits(7);
    // Read in the turn after the run before it.
    one.recall(7);
    expect(await admitted).toBe(false);
    expect(told).toEqual([]);
  });

  it('does not keep recalls of runs that are over', async () => {
    const { gate: one, told } = gate();
    one.recall(6);
    one.expect(6);
    const admitted = one.admits(6);
    await turn();
    await turn();
    expect(told).toEqual(['6 asks']);
    one.recall(6);
    expect(await admitted).toBe(false);
  });
});
