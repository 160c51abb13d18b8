import { ExitCode } from '../exit-codes.js';
import { errors } from './facts.js';

const MISSING = { exitCode: ExitCode.NoInput, httpStatus: 404, retryable: false, fault: 'caller' } as const;
const FAILED = { exitCode: ExitCode.Negative, retryable: false } as const;
const LATER = { exitCode: ExitCode.TryAgain, retryable: true } as const;

/** Ids, groups, waits, and the ends of jobs. */
export const JOB_ERRORS = {
  ...errors(
    { ...MISSING, doc: 'reliability.md#results', traits: ['names-nothing'] },
    {
      JOB_UNKNOWN: 'No job or group has this id, or its record has expired.',
      GROUP_UNKNOWN: 'No group has this id, or its record has expired.',
    },
  ),
  ...errors(
    { ...MISSING, httpStatus: 410, doc: 'reliability.md#results' },
    { RESULT_EXPIRED: 'The result was not kept, or has expired.' },
  ),
  ...errors(
    { ...MISSING, httpStatus: 410, fault: 'broker', doc: 'reliability.md#lost-data' },
    { JOB_LOST: 'Redis has lost the job: its data was flushed, or went back to an older state.' },
  ),
  ...errors(
    {
      exitCode: ExitCode.Unavailable,
      httpStatus: 503,
      retryable: false,
      fault: 'caller',
      doc: 'reliability.md#upgrades',
    },
    { LAYOUT_NEWER: 'A newer release of infer submitted the job, and this one cannot read it.' },
  ),
  ...errors({ ...MISSING, doc: 'inspect.md#queues' }, { QUEUE_UNKNOWN: 'No queue has this name.' }),
  ...errors(
    {
      exitCode: ExitCode.Usage,
      httpStatus: 409,
      retryable: false,
      fault: 'caller',
      doc: 'library.md#errors-and-ids',
    },
    { ID_TAKEN: 'The id already names another job or group.' },
  ),
  ...errors(
    { ...LATER, httpStatus: 409, fault: 'caller', doc: 'cli.md#submit' },
    { GROUP_GONE: 'The group was cancelled by another submit of it, or has expired.' },
  ),
  ...errors(
    { ...LATER, httpStatus: 504, fault: 'caller', doc: 'cli.md#result' },
    { WAIT_TIMEOUT: 'The job did not end within the given time; it continues.' },
  ),
  ...errors(
    { ...LATER, httpStatus: 409, fault: 'caller', doc: 'cli.md#result' },
    { NOT_ENDED: 'The row has no result yet.' },
  ),
  ...errors(
    { ...LATER, httpStatus: 408, fault: 'caller', doc: 'library.md#errors-and-ids' },
    {
      ROWS_TIMEOUT: 'The source of rows did not yield the next row in time; rows already sent are cancelled.',
    },
  ),
  ...errors(
    { ...FAILED, httpStatus: 409, fault: 'caller', doc: 'reliability.md#cancel' },
    { CANCELLED: 'The job or group was cancelled.' },
  ),
  ...errors(
    { ...FAILED, httpStatus: 504, fault: 'caller', doc: 'reliability.md#deadlines' },
    { EXPIRED: 'The job was not started before its deadline.' },
  ),
  ...errors(
    {
      ...FAILED,
      httpStatus: 504,
      fault: 'model',
      doc: 'reliability.md#time-limits',
      traits: ['not-the-rows', 'ends-runner'],
    },
    { TIME_LIMIT: 'The job ran longer than its time limit.' },
  ),
  ...errors(
    {
      ...FAILED,
      httpStatus: 504,
      fault: 'model',
      doc: 'reliability.md#time-limits',
      traits: ['not-the-rows'],
    },
    { SOFT_TIME_LIMIT: 'The job was stopped at its soft time limit; rows done by then are kept.' },
  ),
  ...errors(
    {
      ...FAILED,
      httpStatus: 409,
      fault: 'caller',
      doc: 'reliability.md#cancel',
      traits: ['not-the-rows', 'ends-runner'],
    },
    { RUN_ABORTED: 'The run was ended because a job in it was cancelled; its other jobs run again.' },
  ),
  ...errors(
    { ...FAILED, httpStatus: 500, fault: 'model', doc: 'reliability.md#failed-jobs' },
    {
      ROWS_FAILED: 'Some rows of the job failed; the others have results.',
      FAILED: 'The job failed without an error of infer: another program ended it.',
    },
  ),
  ...errors(
    { ...FAILED, httpStatus: 502, fault: 'model', doc: 'reliability.md#locks' },
    { POISON: 'Three workers were lost while they ran the job, so it is not tried again.' },
  ),
  ...errors(
    {
      exitCode: ExitCode.BadInput,
      httpStatus: 500,
      retryable: false,
      fault: 'model',
      doc: 'reliability.md#size-limits',
    },
    { RESULT_TOO_LARGE: 'The result is larger than Redis accepts in one value.' },
  ),
  ...errors(
    { ...FAILED, httpStatus: 500, fault: 'broker', doc: 'reliability.md#lost-data' },
    { INPUT_LOST: 'The input of the job is no longer in Redis.' },
  ),
  ...errors(
    { ...FAILED, httpStatus: 500, fault: 'broker', doc: 'reliability.md#damaged-data' },
    {
      JOB_DAMAGED: 'The record, input or result of the job is damaged in Redis.',
      GROUP_DAMAGED: 'The record of the group is damaged in Redis; its chunks are still available as jobs.',
    },
  ),
  ...errors(
    {
      ...FAILED,
      httpStatus: 422,
      fault: 'caller',
      doc: 'architecture.md#the-queue-our-scripts-over-bullmqs-layout',
    },
    { NOT_OURS: 'The job was added by another program, so its input cannot be read.' },
  ),
} as const;
