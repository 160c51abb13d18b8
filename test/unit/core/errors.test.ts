import { describe, expect, it } from 'vitest';
import { ERRORS, errorFacts, hasTrait, isErrorCode, type Trait } from '../../../src/lib/core/error-table.js';
import { badInput, InferError, toFailureRecord } from '../../../src/lib/core/errors.js';

describe('an error', () => {
  it('has the exit code and traits of its table row', () => {
    const error = new InferError('REDIS_FULL', 'it is full', { hint: 'wait' });
    expect(error.exitCode).toBe(75);
    expect(error.facts).toMatchObject({
      exitCode: 75,
      httpStatus: 503,
      retryable: true,
      fault: 'broker',
      doc: expect.stringMatching(/^reliability\.md#/),
    });
  });

  it.each<[Trait, string[]]>([
    ['no-answer', ['REDIS_TIMEOUT', 'REDIS_UNREACHABLE']],
    ['soon-over', ['REDIS_LOADING', 'REDIS_READONLY']],
    ['still-serves', ['REDIS_MISCONF', 'REDIS_PERMISSION']],
    ['names-nothing', ['GROUP_UNKNOWN', 'INPUT_MISSING', 'JOB_UNKNOWN', 'WORKER_UNKNOWN']],
  ])('%s is a trait of only %j', (trait, codes) => {
    const having = Object.keys(ERRORS).filter((code) => hasTrait(code, trait));
    expect(having.sort()).toEqual(codes);
  });

  it('of a wrong address, password or permission is distinguished from a temporary one', () => {
    const TUNING = ['TUNE_PERMISSION', 'TUNE_SNAPSHOT_WRITE', 'ACL_ABSENT'];
    for (const code of ['REDIS_AUTH', 'REDIS_PERMISSION', 'REDIS_URL', 'REDIS_CA_FILE', 'REDIS_UNSUPPORTED'])
      expect(hasTrait(code, 'settings-wrong'), code).toBe(true);
    for (const code of ['REDIS_UNREACHABLE', 'REDIS_PROTOCOL', 'REDIS_LOADING', 'QUEUE_DAMAGED', ...TUNING])
      expect(hasTrait(code, 'settings-wrong'), code).toBe(false);
  });

  it('compiles only with a code of the table', () => {
    // @ts-expect-error: no such code
    expect(new InferError('REDIS_FULLL', 'it is full').exitCode).toBe(1);
    // @ts-expect-error: a code that does not stand for bad input
    expect(badInput('REDIS_FULL', 'it is full').exitCode).toBe(75);
    // @ts-expect-error: the exit code belongs to the code
    expect(new InferError('PORT', 'bad', { exitCode: 77 }).exitCode).toBe(2);
  });

  it('reworded keeps its code and cause, and its hint unless a new one is given', () => {
    const first = new InferError('WAIT_TIMEOUT', 'late', { hint: 'wait longer' });
    expect(first.reworded('too late')).toMatchObject({
      code: 'WAIT_TIMEOUT',
      message: 'too late',
      hint: 'wait longer',
      exitCode: 75,
      cause: first,
    });
    expect(first.reworded('too late', 'give up').hint).toBe('give up');
  });
});

describe('a stored failure', () => {
  it('becomes an error with its code, message and hint', () => {
    expect(InferError.of({ code: 'TIME_LIMIT', message: 'too long', hint: 'raise it' })).toMatchObject({
      code: 'TIME_LIMIT',
      message: 'too long',
      hint: 'raise it',
      exitCode: 1,
    });
  });

  it.each(['A_CODE_OF_TOMORROW', '', 'toString', '__proto__', 'constructor'])(
    "of another release keeps its code (%j), and is neither retryable nor the caller's fault",
    (code) => {
      expect(isErrorCode(code)).toBe(false);
      const error = InferError.of({ code, message: 'it failed' });
      expect(error).toMatchObject({ code, message: 'it failed', hint: undefined, exitCode: 1 });
      expect(errorFacts(code)).toMatchObject({ exitCode: 1, httpStatus: 500, retryable: false });
      expect(hasTrait(code, 'ends-runner')).toBe(false);
    },
  );
});

it('an error has its name, and a cause, a place and a hint only if they are given', () => {
  const bare = new InferError('PORT', 'it is bad');
  expect([bare.name, 'cause' in bare, bare.hint]).toEqual(['InferError', false, undefined]);
  expect(new InferError('PORT', 'it is bad', { cause: 'why' }).cause).toBe('why');
  expect(badInput('INPUT_JSON', 'it is bad').message).toBe('it is bad');
  expect(badInput('INPUT_JSON', 'it is bad', { where: 'line 1' }).message).toBe('line 1: it is bad');
  expect(Object.keys(toFailureRecord(bare))).toEqual(['code', 'message']);
});
