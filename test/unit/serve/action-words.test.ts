import { describe, expect, it } from 'vitest';
import { jobsThat, workersNamed } from '../../../src/lib/serve/dashboard/actions/action-words.js';

describe('the sentences of actions', () => {
  it.each([
    [{}, 2, undefined, '2 jobs of all queues'],
    [{ state: 'waiting', queue: 'many' }, 2, undefined, '2 waiting jobs of queue many'],
    [{ queue: 'rf' }, 1, 'failed', '1 failed job of queue rf'],
    [{ error: 'TIME_LIMIT' }, 7, 'failed', '7 failed jobs of all queues with error TIME_LIMIT'],
    [
      { queue: 'a', model: 'm', worker: 'w', priority: '5..9', error: 'X', olderThan: '5m' },
      1200,
      undefined,
      '1,200 jobs of queue a for model m on worker w with priority 5..9 and error X older than 5m',
    ],
    [{ queue: 'a,b', error: 'X' }, 3, 'failed', '3 failed jobs of queues a, b with error X'],
    [{ state: 'waiting,delayed' }, 3, undefined, '3 waiting and delayed jobs of all queues'],
    [{ queue: 'q\u202e' }, 1, undefined, '1 job of queue q\\u202e'],
  ])('the jobs that %j selects are told in plain words', (filter, jobs, state, text) =>
    expect(jobsThat(filter, { jobs, bound: 'exact' }, state)).toBe(text),
  );

  it.each([
    ['most', 1_000_000, 'at most 1,000,000 waiting jobs of queue q'],
    ['most', 1, 'at most 1 waiting job of queue q'],
    ['least', 1250, 'at least 1,250 waiting jobs of queue q'],
    ['least', 0, 'an unknown number of waiting jobs of queue q'],
  ] as const)('a number that is only a bound (%s %d) is told as one', (bound, jobs, text) =>
    expect(jobsThat({ state: 'waiting', queue: 'q' }, { jobs, bound })).toBe(text),
  );

  it.each([
    [['w1'], 'worker w1'],
    [['w1', 'w2'], 'workers w1 and w2'],
    [['w1', 'w2', 'w3'], 'workers w1, w2 and w3'],
    [['w1', 'w2', 'w3', 'w4'], '4 workers'],
    [['\x1b'], 'worker \\x1b'],
  ])('workers %j are named as "%s"', (names, text) => expect(workersNamed(names)).toBe(text));
});
