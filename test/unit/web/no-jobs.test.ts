import { describe, expect, it } from 'vitest';
import { noJobs } from '../../../src/web/state/no-jobs.js';

describe('an empty list of jobs', () => {
  it.each(['queue', 'model', 'worker', 'priority', 'olderThan', 'error'])(
    'with the filter %s alone says that nothing matches, not that there is nothing',
    (name) => {
      const nothing = { text: 'No job matches these filters.' };
      expect(noJobs({ [name]: 'x' }, undefined, false)).toEqual(nothing);
      expect(noJobs({ [name]: 'x', state: 'failed' }, undefined, false)).toEqual(nothing);
    },
  );

  it('without filters says how to submit a job', () => {
    expect(noJobs({}, undefined, false)).toEqual({
      text: 'No job waits or runs now. Submit one:',
      command: 'infer submit examples/one-digit.json',
    });
  });

  it.each(['waiting', 'delayed', 'active', 'completed', 'failed', 'expired', 'cancelled'])(
    'of the state %s names the state, and a command',
    (state) => {
      const { text, command } = noJobs({ state }, undefined, false);
      expect(text).toBe(`There are no ${state} jobs. Try:`);
      expect(command).toMatch(/^infer /);
    },
  );

  it('of a state that does not exist has no command', () => {
    expect(noJobs({ state: 'lost' }, undefined, false)).toEqual({ text: 'No job matches these filters.' });
  });

  it('on a later page says nothing about those before', () => {
    expect(noJobs({ state: 'failed' }, undefined, true)).toEqual({ text: 'There are no more jobs.' });
  });

  it('of an id names the id', () => {
    expect(noJobs({}, 'g1', false).text).toContain('g1');
  });
});
