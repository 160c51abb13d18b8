import { describe, expect, it } from 'vitest';
import type { InferError } from '../../../src/lib/core/errors.js';
import {
  ageOf,
  FIELDS,
  type JobFilterInput,
  matches,
  parseJobFilter,
} from '../../../src/lib/queue/read/job-filter.js';
import type { JobRecord } from '../../../src/lib/queue/types.js';

const NOW = 1_000_000;
const JOB: JobRecord = {
  id: 'j1',
  queue: 'batch',
  state: 'failed',
  model: 'digits',
  rows: 3,
  priority: 5,
  submittedAt: NOW - 900_000,
  startedAt: NOW - 600_000,
  finishedAt: NOW - 300_000,
  attempts: 2,
  worker: 'one',
  failure: { code: 'TIME_LIMIT', message: 'ran longer than 5 s' },
};

const meant = (input: JobFilterInput, job: Partial<JobRecord> = {}) =>
  matches(parseJobFilter({ state: ['failed'], ...input }), { ...JOB, ...job }, NOW);

describe('a job filter', () => {
  it('selects unfinished jobs by default', () => {
    expect(parseJobFilter({}).states).toEqual(['active', 'waiting', 'delayed']);
    expect(parseJobFilter({ error: 'X' }).states).toEqual(['active', 'delayed', 'failed']);
    expect(parseJobFilter({ state: ['FAILED, waiting', 'failed'] }).states).toEqual(['failed', 'waiting']);
  });

  it.each([
    [{}, true],
    [{ state: ['waiting'] }, false],
    [{ queue: ['batch,other'] }, true],
    [{ queue: ['other'] }, false],
    [{ model: ['digits'] }, true],
    [{ model: ['digit'] }, false],
    [{ worker: ['one'] }, true],
    [{ worker: ['two'] }, false],
    [{ priority: ['4..6'] }, true],
    [{ priority: ['4-6'] }, true],
    [{ priority: ['0,9'] }, false],
    [{ olderThan: '4m' }, true],
    [{ olderThan: '6m' }, false],
    [{ error: 'time_limit' }, true],
    [{ error: 'Longer Than' }, true],
    [{ error: 'limit' }, false],
    [{ error: 'TIME_LIMIT', model: ['other'] }, false],
  ] satisfies [JobFilterInput, boolean][])('matches %j: %s', (input, expected) => {
    expect(meant(input)).toBe(expected);
  });

  it('by worker or error never matches a job without one', () => {
    const { worker: _w, failure: _f, ...bare } = JOB;
    const filter = (input: JobFilterInput) =>
      matches(parseJobFilter({ state: ['failed'], ...input }), bare, NOW);
    expect(filter({})).toBe(true);
    expect(filter({ worker: ['one'] })).toBe(false);
    expect(filter({ error: 'TIME_LIMIT' })).toBe(false);
  });

  it.each([
    [{ state: ['done'] }, /States: active, waiting/],
    [{ state: ['failed,'] }, /--state waiting,delayed/],
    [{ priority: ['10'] }, /one of 0\.\.9/],
    [{ priority: ['-1'] }, /one of 0\.\.9/],
    [{ priority: ['7..5'] }, /such as 5\.\.9/],
    [{ olderThan: 'soon' }, /500ms, 30s/],
    [{ error: '' }, /TIME_LIMIT/],
    [{ queue: ['a b'] }, /infer inspect queues lists/],
  ] satisfies [JobFilterInput, RegExp][])('%j is rejected with the allowed values', (input, hint) => {
    expect(() => parseJobFilter(input)).toThrow(
      expect.objectContaining({ exitCode: 2, hint: expect.stringMatching(hint) }),
    );
  });

  it.each([{ state: ['failed,'] }, { olderThan: 'soon' }, { error: '' }] satisfies JobFilterInput[])(
    '%j over HTTP is rejected without the name of a flag',
    (input) => {
      const textOf = (words?: typeof FIELDS): string => {
        try {
          return String(parseJobFilter(input, words));
        } catch (error) {
          return `${(error as InferError).message} / ${(error as InferError).hint}`;
        }
      };
      expect(textOf()).toContain('--');
      expect(textOf(FIELDS)).not.toContain('--');
      expect(textOf(FIELDS)).toMatch(/ \/ .*(state|olderThan|error)=/);
    },
  );
});

it('the age of a job is its time in the current state', () => {
  expect(ageOf({ ...JOB, state: 'waiting' }, NOW)).toBe(900_000);
  expect(ageOf({ ...JOB, state: 'active' }, NOW)).toBe(600_000);
  expect(ageOf(JOB, NOW)).toBe(300_000);
  expect(ageOf({ ...JOB, finishedAt: NOW + 5 }, NOW)).toBe(0);
});
