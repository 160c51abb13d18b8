import { closestWord } from '../../config/suggest.js';
import { InferError } from '../../core/errors.js';
import {
  checkQueueName,
  isOpen,
  type JobState,
  MAX_PRIORITY,
  type Priority,
  printable,
} from '../../core/job.js';
import { parseDuration } from '../../core/units.js';
import type { JobRecord } from '../types.js';

/** Every state, in the order used by lists: running, to be run, ended. */
export const JOB_STATES = [
  'active',
  'waiting',
  'delayed',
  'failed',
  'expired',
  'cancelled',
  'completed',
] as const satisfies readonly JobState[];

const UNFINISHED: readonly JobState[] = JOB_STATES.filter(isOpen);

/** A filter as typed. Each list entry may contain several values separated by commas. */
export interface JobFilterInput {
  state?: readonly string[] | undefined;
  queue?: readonly string[] | undefined;
  model?: readonly string[] | undefined;
  worker?: readonly string[] | undefined;
  /** `9`, or a range `5..9`. */
  priority?: readonly string[] | undefined;
  /** A duration such as `5m`. */
  olderThan?: string | undefined;
  /** An error code (`TIME_LIMIT`) or part of a message. */
  error?: string | undefined;
}

/** What the fields are called where the filter was typed, for messages. */
export interface FilterWords {
  /** Before what is wrong with them. */
  error: string;
  olderThan: string;
  /** A value as it is typed: `--state waiting`. */
  example: (name: 'state' | 'error' | 'olderThan', value: string) => string;
}

/** The flags of commands. */
const FLAGS: FilterWords = {
  error: '--error',
  olderThan: '--older-than',
  example: (name, value) => `${name === 'olderThan' ? FLAGS.olderThan : `--${name}`} ${value}`,
};

/** The fields of requests over HTTP. */
export const FIELDS: FilterWords = {
  error: 'error',
  olderThan: 'olderThan',
  example: (name, value) => `${name}=${value}`,
};

/** The fields of the dashboard's page, by their labels there. */
export const LABELS: FilterWords = {
  error: 'the field Error',
  olderThan: 'Older than:',
  example: (_, value) => value,
};

/** Which jobs to select; undefined fields match everything. */
export interface JobFilter {
  readonly states: readonly JobState[];
  readonly queues: readonly string[] | undefined;
  readonly models: readonly string[] | undefined;
  readonly workers: readonly string[] | undefined;
  readonly priorities: readonly Priority[] | undefined;
  /** Milliseconds in its state; see `ageOf`. */
  readonly olderThanMs: number | undefined;
  readonly error: string | undefined;
  /** Only jobs that this one submitted. */
  readonly owner?: string | undefined;
}

/**
 * Reads a filter. Without a state it selects every job that has not ended or, with `error`, those that failed
 * and those that are waiting for or running another attempt.
 * @throws InferError FILTER (exit 2) naming what is allowed.
 */
export function parseJobFilter(input: JobFilterInput, words: FilterWords = FLAGS): JobFilter {
  const values = (typed: readonly string[] | undefined) => valuesOf(typed, words);
  const states = values(input.state)?.map(parseState);
  const error = input.error?.trim();
  if (error === '') {
    const hint = words.example('error', 'TIME_LIMIT');
    throw wrong(`${words.error} needs an error code or a part of its message`, hint);
  }
  return {
    states: states === undefined ? unsaid(error) : [...new Set(states)],
    queues: values(input.queue)?.map(checkQueueName),
    models: values(input.model),
    workers: values(input.worker),
    priorities: values(input.priority)?.flatMap(parsePriorities),
    olderThanMs: input.olderThan === undefined ? undefined : parseOlderThan(input.olderThan, words),
    error,
  };
}

function unsaid(error: string | undefined): readonly JobState[] {
  return error === undefined ? UNFINISHED : ['active', 'delayed', 'failed'];
}

function valuesOf(typed: readonly string[] | undefined, { example }: FilterWords): string[] | undefined {
  if (typed === undefined || typed.length === 0) return undefined;
  const words = typed.flatMap((text) => text.split(',')).map((word) => word.trim());
  if (words.includes('')) {
    throw wrong('a filter has an empty value', `write ${example('state', 'waiting,delayed')}`);
  }
  return [...new Set(words)];
}

function parseState(word: string): JobState {
  const state = JOB_STATES.find((one) => one === word.toLowerCase());
  if (state !== undefined) return state;
  const near = closestWord(word, JOB_STATES);
  const meant = near === undefined ? '' : `did you mean ${near}? `;
  throw wrong(`'${printable(word)}' is not a state of a job`, `${meant}States: ${JOB_STATES.join(', ')}`);
}

function parsePriorities(text: string): Priority[] {
  const match = /^(\d)(?:(?:\.\.|-)(\d))?$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2] ?? match?.[1]);
  if (match === null || from > to) {
    throw wrong(
      `'${printable(text)}' is not a priority or a range of them`,
      `write one of 0..${MAX_PRIORITY}, or a range such as 5..9; 9 is the most urgent`,
    );
  }
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function parseOlderThan(text: string, { olderThan, example }: FilterWords): number {
  try {
    return parseDuration(text);
  } catch {
    throw wrong(
      `${olderThan} ${printable(text)} is not a duration`,
      `write a number with a unit: ${example('olderThan', '500ms')}, 30s, 5m, 1h or 7d`,
    );
  }
}

function wrong(message: string, hint: string): InferError {
  return new InferError('FILTER', message, { hint });
}

/** The fields that `ageOf` and `matches` use. */
type Dated = Pick<JobRecord, 'state' | 'submittedAt' | 'startedAt' | 'finishedAt'>;

/**
 * Milliseconds a job has been in its state: since its submit while waiting, since its start while running,
 * since its end afterwards.
 */
export function ageOf(job: Dated, now: number): number {
  const since =
    job.state === 'waiting' || job.state === 'delayed'
      ? job.submittedAt
      : ((job.state === 'active' ? job.startedAt : job.finishedAt) ?? job.submittedAt);
  return Math.max(0, now - since);
}

/** Whether a job matches. @param now milliseconds since the epoch. */
export function matches(filter: JobFilter, job: JobRecord, now: number): boolean {
  return (
    filter.states.includes(job.state) &&
    (filter.queues?.includes(job.queue) ?? true) &&
    (filter.models === undefined || (job.model !== undefined && filter.models.includes(job.model))) &&
    (filter.priorities?.includes(job.priority) ?? true) &&
    (filter.workers === undefined || (job.worker !== undefined && filter.workers.includes(job.worker))) &&
    (filter.olderThanMs === undefined || ageOf(job, now) > filter.olderThanMs) &&
    (filter.owner === undefined || job.owner === filter.owner) &&
    (filter.error === undefined || hasError(job, filter.error))
  );
}

function hasError(job: JobRecord, wanted: string): boolean {
  if (job.failure === undefined) return false;
  const text = wanted.toLowerCase();
  return job.failure.code.toLowerCase() === text || job.failure.message.toLowerCase().includes(text);
}
