import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { failureSummary } from '../../../src/lib/queue/audit-summary.js';

describe('the entry of an action that failed', () => {
  const open = new AbortController().signal;
  const outcome = 'failed';

  it.each([
    ['its error', new InferError('CONFIG', 'wrong'), open, { code: 'CONFIG', result: 'wrong' }],
    ['a bug', new Error('oops'), open, { code: 'INTERNAL', result: 'oops' }],
    [
      'the signal that stopped it',
      new Error('aborted'),
      AbortSignal.abort(new Error('stopped by SIGINT')),
      { code: 'INTERRUPTED', result: 'stopped by SIGINT' },
    ],
    [
      'the limit of the call that stopped it',
      new Error('aborted'),
      AbortSignal.abort(new InferError('WAIT_TIMEOUT', 'too late')),
      { code: 'WAIT_TIMEOUT', result: 'too late' },
    ],
  ])('names %s', (_, error, signal, expected) => {
    expect(failureSummary(error, signal, 2)).toEqual({ count: 2, outcome, ...expected });
  });

  it('is not written when Redis does not answer, whoever noticed it', () => {
    const away = new InferError('REDIS_TIMEOUT', 'no answer');
    expect(failureSummary(away, open, 2)).toBeUndefined();
    expect(failureSummary(new Error('aborted'), AbortSignal.abort(away), 2)).toBeUndefined();
  });
});
