import { ExitCode } from '../exit-codes.js';
import { errors } from './facts.js';

const AWAY = { exitCode: ExitCode.Unavailable, httpStatus: 503, retryable: false, fault: 'device' } as const;
const MISSING = { exitCode: ExitCode.NoInput, httpStatus: 404, retryable: false, fault: 'caller' } as const;
const DENIED = {
  exitCode: ExitCode.NotPermitted,
  httpStatus: 500,
  retryable: false,
  fault: 'device',
} as const;
const BUG = { exitCode: ExitCode.Internal, httpStatus: 500, retryable: false, fault: 'bug' } as const;
const STOPPED = { httpStatus: 503, retryable: true, fault: 'caller', doc: 'exit-codes.md' } as const;

/** Workers and autoscalers as processes, their machine, and infer itself. */
export const HOST_ERRORS = {
  ...errors(
    { ...AWAY, retryable: true, fault: 'caller', doc: 'cli.md#worker' },
    { NO_WORKERS: 'No worker is running.' },
  ),
  ...errors(
    { ...MISSING, doc: 'inspect.md#workers', traits: ['names-nothing'] },
    { WORKER_UNKNOWN: 'No worker has this name.' },
  ),
  ...errors(
    { ...AWAY, httpStatus: 504, retryable: true, doc: 'control.md#workers' },
    { NO_ANSWER: 'No worker that the order was sent to has answered.' },
  ),
  ...errors(
    { ...BUG, doc: 'control.md#workers' },
    { CONTROL: 'The worker could not carry out the order, for a reason that infer does not know.' },
  ),
  ...errors(
    { ...AWAY, retryable: true, doc: 'control.md#workers' },
    { WORKER_ENDS: 'The worker is ending, so it starts no further runner.' },
  ),
  ...errors(
    { ...AWAY, retryable: true, fault: 'caller', doc: 'workers.md#start-list-restart-stop' },
    { START_WITHDRAWN: 'The worker was stopped before it had started.' },
  ),
  ...errors(
    {
      ...AWAY,
      exitCode: ExitCode.TryAgain,
      retryable: true,
      fault: 'caller',
      doc: 'workers.md#start-list-restart-stop',
    },
    { WORKERS_BUSY: 'Another command is starting workers on this host.' },
  ),
  ...errors(
    { ...AWAY, httpStatus: 409, fault: 'caller', doc: 'autoscaling.md#stop-and-restart' },
    {
      AUTOSCALER_RUNNING: 'An autoscaler of these queues already runs on this host.',
      POOL_LOST: 'The pool of the autoscaler was removed, or another autoscaler has it now.',
    },
  ),
  ...errors(
    { ...AWAY, fault: 'caller', doc: 'up.md#one-for-each-host' },
    { UP_RUNNING: '`infer up` already runs on this host.' },
  ),
  ...errors(
    { ...AWAY, doc: 'up.md#what-it-starts' },
    {
      UP_WORKERS: '`infer up` could start none of its workers.',
      UP_GATEWAY: '`infer up` could not start the gateway.',
      UP_FAILED: 'The `infer up` in the background ended before it was ready.',
    },
  ),
  ...errors(
    { ...AWAY, doc: 'bench.md' },
    {
      BENCH_WORKER: 'The worker of the benchmark was not ready in time.',
      BENCH_TRACE:
        'The times of a job cannot be compared: its worker runs on another host, is of an older release, or is busy.',
    },
  ),
  ...errors(
    { ...AWAY, doc: 'cli.md#demo' },
    { DEMO_WORKER: 'The worker of the demo ended, or was not ready in time.' },
  ),
  ...errors(
    { ...BUG, exitCode: ExitCode.Negative, doc: 'cli.md#demo' },
    { DEMO_JOB: 'A job of the demo failed.' },
  ),
  ...errors(
    { ...AWAY, retryable: true, fault: 'caller', doc: 'cli.md#metrics' },
    { PORT_IN_USE: 'Another program listens on the address and port.' },
  ),
  ...errors(
    { ...DENIED, fault: 'caller', doc: 'cli.md#metrics' },
    { PORT_PERMISSION: 'The user may not listen on the port.' },
  ),
  ...errors(
    { ...DENIED, exitCode: ExitCode.Usage, fault: 'caller', doc: 'cli.md#metrics' },
    { PORT: 'This machine cannot listen on the address.' },
  ),
  ...errors(
    { ...DENIED, doc: 'workers.md#files' },
    { STATE_DIR: 'The user may not use the state directory, or it is open to other users.' },
  ),
  ...errors(
    { ...AWAY, doc: 'workers.md#files' },
    {
      STATE_DIR_FAILED:
        'A file of the state directory cannot be read or written: a full disk, or a disk error.',
    },
  ),
  ...errors({ ...AWAY, doc: 'cli.md#demo' }, { TMP_DIR: 'No directory can be created for temporary files.' }),
  ...errors(
    { ...MISSING, doc: 'cli.md#settings' },
    { NO_CURRENT_DIR: 'The current directory no longer exists.' },
  ),
  ...errors(
    {
      exitCode: ExitCode.BadConfig,
      httpStatus: 500,
      retryable: false,
      fault: 'caller',
      doc: 'cli.md#result',
    },
    { OUTPUT_FILE: 'The file for the results cannot be written.' },
  ),
  ...errors(
    {
      exitCode: ExitCode.Output,
      httpStatus: 500,
      retryable: false,
      fault: 'device',
      doc: 'reliability.md#terminals-and-output',
    },
    { OUTPUT: 'Standard output cannot be written.' },
  ),
  ...errors(
    { ...STOPPED, exitCode: ExitCode.Interrupted },
    { INTERRUPTED: 'Ctrl-C (SIGINT) stopped the command.' },
  ),
  ...errors({ ...STOPPED, exitCode: ExitCode.Terminated }, { TERMINATED: 'SIGTERM stopped the command.' }),
  ...errors(
    { ...STOPPED, exitCode: ExitCode.HungUp },
    { HUNG_UP: 'The terminal of the command was closed (SIGHUP).' },
  ),
  ...errors(
    { ...BUG, doc: 'cli.md#errors' },
    {
      INTERNAL: 'infer met an unexpected error.',
      PACKAGE_ROOT: 'The installed package is incomplete: its `package.json` is missing.',
      RUNNER_MISSING: 'The installed package is incomplete, or was not built.',
      DASHBOARD_MISSING:
        'The pages of the dashboard are missing: the package is incomplete, or was not built.',
    },
  ),
} as const;
