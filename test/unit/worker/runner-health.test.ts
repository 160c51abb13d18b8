import { describe, expect, it } from 'vitest';
import { RunnerHealth } from '../../../src/lib/worker/runner-health.js';

/** Runs of one job each. */
const fail = (health: RunnerHealth, ids: readonly string[], session = 'm') =>
  ids.map((id) => health.failed(session, [id]));
const [no, yes] = [false, true];

describe('the health of a runner', () => {
  it('is bad when five different jobs have failed in a row', () => {
    expect(fail(new RunnerHealth(), ['a', 'b', 'c', 'd', 'e'])).toEqual([no, no, no, no, yes]);
    expect(fail(new RunnerHealth(), ['a', 'a', 'a', 'a', 'a', 'a', 'b'])).not.toContain(yes);
  });

  it('is not bad when a job succeeded between them', () => {
    const health = new RunnerHealth();
    fail(health, ['a', 'b', 'c', 'd']);
    health.good('m');
    expect(fail(health, ['e', 'f', 'g', 'h', 'i'])).toEqual([no, no, no, no, yes]);
  });

  it('is reported once until a job succeeds: what also fails in a new runner is not its fault', () => {
    const clock = { time: 0, now: () => clock.time };
    const health = new RunnerHealth(clock);
    expect(fail(health, ['a', 'b', 'c', 'd', 'e']).at(-1)).toBe(yes);
    for (let n = 0; n < 50; n++) {
      clock.time += 60_000;
      expect(fail(health, [`n${n}`])).toEqual([no]);
    }
  });

  it('counts runs: five bad jobs in one micro-batch count as one', () => {
    const health = new RunnerHealth();
    expect(health.failed('m', ['a', 'b', 'c', 'd', 'e', 'f'])).toBe(no);
    // Another run of the same jobs, while the culprit is searched, proves nothing new.
    expect(health.failed('m', ['a', 'b', 'c'])).toBe(no);
    expect(fail(health, ['g', 'h'])).toEqual([no, no]);
    // One that contains another job does.
    expect(health.failed('m', ['g', 'i'])).toBe(no);
    expect(fail(health, ['j'])).toEqual([yes]);
  });

  it('is reported ever less often for alternating bad and good input, and normally again after a rest', () => {
    const clock = { time: 1000, now: () => clock.time };
    const health = new RunnerHealth(clock);
    const n = { id: 0 };
    /** Seconds from now after which bursts of bad jobs between good ones had it replaced. */
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

  it('allows another replacement after a rest if jobs still fail', () => {
    const clock = { time: 0, now: () => clock.time };
    const health = new RunnerHealth(clock);
    expect(fail(health, ['a', 'b', 'c', 'd', 'e']).at(-1)).toBe(yes);
    health.good('m');
    expect(fail(health, ['f', 'g', 'h', 'i', 'j', 'k'])).not.toContain(yes);
    clock.time = 30_000;
    expect(fail(health, ['l'])).toEqual([yes]);
  });

  it('is counted per model, and dropped for a model that was unloaded', () => {
    const health = new RunnerHealth();
    fail(health, ['a', 'b', 'c', 'd']);
    health.good('other');
    expect(fail(health, ['x'], 'other')).toEqual([no]);
    health.forget('m');
    expect(fail(health, ['e'])).toEqual([no]);
  });
});
