import { ExitCode } from '../exit-codes.js';
import { errors } from './facts.js';

/** Invalid usage, in the command line, a call or the configuration. */
const WRONG = {
  exitCode: ExitCode.Usage,
  httpStatus: 400,
  retryable: false,
  fault: 'caller',
} as const;

/** An order that the state of its target rules out. */
const CONFLICT = { ...WRONG, httpStatus: 409 } as const;

export const USAGE_ERRORS = {
  ...errors(
    { ...WRONG, doc: 'cli.md' },
    {
      USAGE:
        'The command line is wrong: an unknown command or flag, a missing argument, or an invalid value.',
      BYTES: 'The text is not a size in bytes, or is too large.',
      DURATION: 'The text is not a duration, or is too long.',
      TIME: 'The text is not a point in time.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'cli.md#submit' },
    {
      PRIORITY_RANGE: 'A priority is a whole number from 0 to 9; 9 is the most urgent.',
      QUEUE_NAME: 'The name cannot be that of a queue.',
      JOB_ID: 'The text cannot be the id of a job or group.',
      DELAY: 'A job cannot start later than a year from now.',
      MODEL_NEEDED: 'There are several models, so the call has to name one.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'models.md#choosing-outputs' },
    {
      OUTPUT_UNKNOWN: 'No output of the model has this name.',
      OUTPUT_SELECTION: 'The outputs, topK or argmax asked for do not fit the model.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'tables.md#score' },
    {
      OUTPUT_FORMAT: 'The name of the output does not say in which format it is to be written.',
      OUTPUT_COLUMNS: 'A column of the input has the name of a column that is added.',
      OUTPUT_IS_INPUT: 'The output is the file that is read.',
      RESUME_MISMATCH: 'The unfinished run that is to be resumed was one of another input or model.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'reliability.md#results' },
    { RESULT_TTL_RANGE: 'The time for which a result is kept is out of range.' },
  ),
  ...errors(
    { ...WRONG, doc: 'reliability.md#deadlines' },
    { EXPIRES_RANGE: 'The time after which a job expires is out of range.' },
  ),
  ...errors(
    { ...WRONG, doc: 'reliability.md#time-limits' },
    { TIME_LIMIT_RANGE: 'The time limit is out of range.' },
  ),
  ...errors(
    { ...WRONG, doc: 'reliability.md#retries' },
    {
      RETRIES_RANGE: 'The number of retries is out of range.',
      RETRY_DELAY_RANGE: 'The delay before the first retry is out of range.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'reliability.md#failed-jobs' },
    {
      RETRY_WHAT: 'The command names no job, or names jobs in two ways that exclude each other.',
      RETRY_QUEUES: 'Retrying all failed jobs needs a filter.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'inspect-jobs.md#lists-and-filters' },
    {
      FILTER: 'A filter cannot be read.',
      CURSOR: 'A cursor was not made by this command, or does not match the sort order.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'inspect.md#watching' },
    { WATCH_RANGE: 'The interval of `--watch` is too short.' },
  ),
  ...errors(
    { ...WRONG, doc: 'doctor.md#checks' },
    { CHECK_UNKNOWN: 'No check or topic of checks has this name.' },
  ),
  ...errors(
    { ...WRONG, doc: 'control.md#what-cannot-be-undone' },
    {
      CONFIRM: 'The command asks for confirmation, and there is no terminal to ask on: nothing was done.',
      CONFIRM_NAME: '`--confirm` does not name the target of the command: nothing was done.',
    },
  ),
  ...errors(
    {
      exitCode: ExitCode.Negative,
      httpStatus: 400,
      retryable: false,
      fault: 'caller',
      doc: 'control.md#what-cannot-be-undone',
    },
    { NOT_CONFIRMED: 'The question was answered with no: nothing was done.' },
  ),
  ...errors(
    { ...WRONG, doc: 'control.md#the-audit-log' },
    { OPERATOR_NAME: 'The text cannot be the name of an operator in the audit log.' },
  ),
  ...errors(
    { ...WRONG, doc: 'library.md#errors-and-ids' },
    { TIMEOUT_RANGE: 'The time limit of a call is not a number of milliseconds, 0 or more.' },
  ),
  ...errors(
    { ...WRONG, doc: 'control.md#queues-and-jobs' },
    { REVOKE_WHAT: 'The command does not say which jobs to cancel, or says it in two ways.' },
  ),
  ...errors(
    { ...CONFLICT, doc: 'control.md#queues-and-jobs' },
    {
      REVOKE_ENDED: 'Jobs that have ended cannot be cancelled.',
      NOT_WAITING: 'Only jobs that have not started can be moved or given another priority.',
      NOT_MOVABLE:
        'The job cannot be moved now: it is being moved already, its group is still being sent, or it is a chunk on a Cluster.',
    },
  ),
  ...errors(
    { ...CONFLICT, doc: 'control.md#workers' },
    {
      AUTOSCALED: 'An autoscaler decides this, so it cannot be set by hand.',
      NOT_AUTOSCALED: 'The worker does not scale its runners, so it has no bounds to set.',
      LAST_MODEL: 'A worker cannot unload the last model that it serves.',
      NO_RESTART: 'The worker is part of another program, which has to restart it.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'workers.md#start-list-restart-stop' },
    {
      WORKER_NAME: 'The name cannot be that of a worker.',
      WORKER_FLAG: 'The command sets this worker flag itself.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'workers.md#from-the-configuration' },
    { WORKERS_UNKNOWN: 'The configuration has no workers of this name.' },
  ),
  ...errors(
    { ...WRONG, doc: 'autoscaling.md#run-it' },
    {
      AUTOSCALE_BOUNDS: 'The bounds of the autoscaler contradict each other or this host.',
      POLICY: 'No scaling policy has this name.',
    },
  ),
  ...errors(
    { ...WRONG, doc: 'serve.md#errors' },
    { PARAMETER: 'A query parameter, or a field of the body, is unknown or has no usable value.' },
  ),
  ...errors(
    { ...WRONG, doc: 'bench.md' },
    {
      RANGE: 'A value of the benchmark is out of range.',
      BENCH_BATCH: 'The batch size does not suit the model.',
      BENCH_DATA: 'The model does not run on generated rows, so the benchmark needs your own rows.',
      BENCH_SHAPE: 'The shape does not fit an input of the model.',
    },
  ),
  ...errors(
    {
      exitCode: ExitCode.BadConfig,
      httpStatus: 500,
      retryable: false,
      fault: 'caller',
      doc: 'cli.md#settings',
    },
    { CONFIG: 'An environment variable or configuration file has a value that cannot be used.' },
  ),
} as const;
