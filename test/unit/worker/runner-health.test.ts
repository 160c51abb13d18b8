import { describe, expect, it } from 'vitest';
import { RunnerHealth } from '../../../src/lib/worker/runner-health.js';

const fail = (health: RunnerHealth, ids: readonly string[], session = 'm') =>
  ids.map((id) => health.failed(session, id));
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

  it('is said once, until a job has succeeded: what fails in a new runner too is not its doing', () => {
    const health = new RunnerHealth();
    expect(fail(health, ['a', 'b', 'c', 'd', 'e']).at(-1)).toBe(yes);
    expect(
      fail(
        health,
        Array.from({ length: 50 }, (_, i) => `n${i}`),
      ),
    ).not.toContain(yes);
    health.good('m');
    expect(fail(health, ['f', 'g', 'h', 'i', 'j']).at(-1)).toBe(yes);
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
