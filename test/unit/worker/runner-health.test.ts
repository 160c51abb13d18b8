import { describe, expect, it } from 'vitest';
import { RunnerHealth } from '../../../src/lib/worker/runner-health.js';

/** Runs of one job each. */
const fail = (health: RunnerHealth, ids: readonly string[], session = 'm') =>
  ids.map((id) => health.failed(session, [id]));
const [no, yes] = [false, true];

describe('the health of a runner', () => {
  it('is bad when five different jobs have failed one after another', () => {
    expect(fail(new RunnerHealth(), ['a', 'b', 'c', 'd', 'e'])).toEqual([no, no, no, no, yes]);
    expect(fail(new RunnerHealth(), ['a', 'a', 'a', 'a', 'a', 'a', 'b'])).not.toContain(yes);
  });

  it('is not bad where a job has succeeded between them', () => {
    const health = new RunnerHealth();
    fail(health, ['a', 'b', 'c', 'd']);
    health.good('m');
    expect(fail(health, ['e', 'f', 'g', 'h', 'i'])).toEqual([no, no, no, no, yes]);
  });

  it('is said once, for as long as no job succeeds: what fails in a new runner too is not its doing', () => {
    const clock = { time: 0, now: () => clock.time };
    const health = new RunnerHealth(clock);
    expect(fail(health, ['a', 'b', 'c', 'd', 'e']).at(-1)).toBe(yes);
    for (let n = 0; n < 50; n++) {
      clock.time += 60_000;
      expect(fail(health, [`n${n}`])).toEqual([no]);
    }
  });

  it('counts runs: five bad jobs of one micro-batch are one', () => {
    const health = new RunnerHealth();
    expect(health.failed('m', ['a', 'b', 'c', 'd', 'e', 'f'])).toBe(no);
    // A run of the same jobs again, as the culprit is looked for, says nothing new.
    expect(health.failed('m', ['a', 'b', 'c'])).toBe(no);
    expect(fail(health, ['g', 'h'])).toEqual([no, no]);
    // One that has another job in it does.
    expect(health.failed('m', ['g', 'i'])).toBe(no);
    expect(fail(health, ['j'])).toEqual([yes]);
  });

  it('is not said again and again for bad input between good: the time between two doubles, and is short again after a rest', () => {
    const clock = { time: 1000, now: () => clock.time };
    const health = new RunnerHealth(clock);
    const n = { id: 0 };
    /** Seconds from now on after which bursts of bad jobs between good ones had it replaced. */
    const replacedWithin = (seconds: number): number[] => {
      const begun = clock.time;
      const at: number[] = [];
      for (; clock.time < begun + seconds * 1000; clock.time += 1000) {
        const burst = Array.from({ length: 6 }, () => `n${n.id++}`);
        if (fail(health, burst).includes(yes)) at.push((clock.time - begun) / 1000);
        health.good('m');
      }
      return at;
    };
    expect(replacedWithin(400)).toEqual([0, 30, 90, 210]);
    clock.time += 3_600_000;
    expect(replacedWithin(60)).toEqual([0, 30]);
  });

  it('that was replaced a moment ago is replaced again once its rest is over, should jobs still fail', () => {
    const clock = { time: 0, now: () => clock.time };
    const health = new RunnerHealth(clock);
    expect(fail(health, ['a', 'b', 'c', 'd', 'e']).at(-1)).toBe(yes);
    health.good('m');
    expect(fail(health, ['f', 'g', 'h', 'i', 'j', 'k'])).not.toContain(yes);
    clock.time = 30_000;
    expect(fail(health, ['l'])).toEqual([yes]);
  });

  it('counts by model, and forgets one that was given up', () => {
    const health = new RunnerHealth();
    fail(health, ['a', 'b', 'c', 'd']);
    health.good('other');
    expect(fail(health, ['x'], 'other')).toEqual([no]);
    health.forget('m');
    expect(fail(health, ['e'])).toEqual([no]);
  });
});
