import { ExitCode } from '../exit-codes.js';
import { errors } from './facts.js';

/** Redis does not answer, or not with anything usable; it may later. */
const AWAY = { exitCode: ExitCode.Unavailable, httpStatus: 503, retryable: true, fault: 'broker' } as const;
const LATER = { ...AWAY, exitCode: ExitCode.TryAgain } as const;
const DENIED = {
  exitCode: ExitCode.NotPermitted,
  httpStatus: 503,
  retryable: false,
  fault: 'caller',
  traits: ['settings-wrong'],
} as const;
const BAD_SETTING = { ...DENIED, exitCode: ExitCode.BadConfig } as const;

/** Connecting to Redis, its replies, and infer's own server. */
export const REDIS_ERRORS = {
  ...errors(
    { ...AWAY, doc: 'connections.md', traits: ['unclear-peer', 'no-answer'] },
    {
      REDIS_UNREACHABLE: 'No Redis answers at the address.',
      REDIS_TIMEOUT: 'Redis accepts the connection but does not answer in time.',
    },
  ),
  ...errors(
    { ...AWAY, retryable: false, fault: 'caller', doc: 'connections.md#address', traits: ['unclear-peer'] },
    { REDIS_PROTOCOL: 'The server at the address is not Redis.' },
  ),
  ...errors(
    { ...AWAY, retryable: false, fault: 'caller', doc: 'connections.md#tls', traits: ['unclear-peer'] },
    { REDIS_TLS: 'The TLS connection was refused: a certificate, or TLS on one side only.' },
  ),
  ...errors(
    { ...AWAY, doc: 'connections.md' },
    { REDIS_ERROR: 'Redis answered with an error that infer does not know.' },
  ),
  ...errors(
    { ...DENIED, doc: 'connections.md#password' },
    { REDIS_AUTH: 'Redis refused the user or password, or needs one.' },
  ),
  ...errors(
    { ...DENIED, doc: 'connections.md#users-with-few-rights', traits: ['settings-wrong', 'still-serves'] },
    { REDIS_PERMISSION: 'The user may not do this in Redis, or may not open its socket.' },
  ),
  ...errors(
    { ...BAD_SETTING, doc: 'connections.md#address' },
    {
      REDIS_URL: 'The address of Redis is wrong.',
      REDIS_DB: 'Redis has no such database.',
    },
  ),
  ...errors(
    { ...BAD_SETTING, doc: 'connections.md#sentinel' },
    { REDIS_SENTINEL: 'The sentinels know no master of this name.' },
  ),
  ...errors(
    { ...BAD_SETTING, doc: 'connections.md#cluster' },
    { REDIS_CLUSTER: 'The server is a node of a Redis Cluster, and the address does not say so.' },
  ),
  ...errors(
    { ...BAD_SETTING, doc: 'connections.md#managed-redis' },
    { REDIS_UNSUPPORTED: 'The server lacks a command that infer needs.' },
  ),
  ...errors(
    { ...BAD_SETTING, doc: 'connections.md#password' },
    { REDIS_PASSWORD_FILE: 'The password file cannot be read or is empty.' },
  ),
  ...errors(
    { ...BAD_SETTING, doc: 'connections.md#tls' },
    {
      REDIS_CA_FILE: 'The file of certificate authorities cannot be used.',
      REDIS_CERT_FILE: 'The client certificate cannot be used.',
      REDIS_KEY_FILE: 'The private key cannot be used.',
    },
  ),
  ...errors(
    { ...LATER, doc: 'reliability.md#memory' },
    { REDIS_FULL: 'Redis is full, so it accepts no new work.' },
  ),
  ...errors(
    { ...LATER, doc: 'reliability.md#faults', traits: ['soon-over'] },
    {
      REDIS_LOADING: 'Redis is still reading its data from disk.',
      REDIS_READONLY: 'The server is a replica, which accepts no changes.',
    },
  ),
  ...errors(
    { ...LATER, doc: 'reliability.md#faults', traits: ['still-serves'] },
    { REDIS_MISCONF: 'Redis cannot write to its disk and refuses changes.' },
  ),
  ...errors(
    { ...LATER, doc: 'reliability.md#faults' },
    { REDIS_BUSY: 'Redis is busy with a long script, or accepts no more connections.' },
  ),
  ...errors(
    { ...LATER, doc: 'connections.md#sentinel' },
    { REDIS_NOREPLICAS: 'Redis has too few replicas to accept changes.' },
  ),
  ...errors(
    { ...LATER, doc: 'connections.md#cluster' },
    { REDIS_CLUSTER_DOWN: 'The Redis Cluster is down or incomplete.' },
  ),
  ...errors(
    { ...AWAY, retryable: false, doc: 'reliability.md#damaged-data' },
    {
      QUEUE_DAMAGED: 'A key of the queue holds a value of the wrong type.',
      INSTALLATION_DAMAGED: 'A key that all queues share holds a value of the wrong type.',
    },
  ),
  ...errors(
    {
      exitCode: ExitCode.Internal,
      httpStatus: 500,
      retryable: false,
      fault: 'broker',
      doc: 'reliability.md#damaged-data',
    },
    { REDIS_WRONGTYPE: 'Another program uses a key that infer needs.' },
  ),
  ...errors(
    {
      exitCode: ExitCode.Internal,
      httpStatus: 500,
      retryable: false,
      fault: 'bug',
      doc: 'connections.md#cluster',
    },
    { REDIS_CROSSSLOT: 'A command used keys of two cluster slots.' },
  ),
  ...errors(
    { ...AWAY, fault: 'device', retryable: false, doc: 'cli.md#redis' },
    {
      REDIS_SERVER_MISSING: 'No Redis is configured, and no server program is installed to start one.',
      REDIS_START_FAILED: "infer's own Redis did not start.",
      REDIS_STOP_FAILED: "infer's own Redis did not stop.",
    },
  ),
  ...errors(
    { ...LATER, fault: 'device', doc: 'cli.md#redis' },
    { REDIS_START_BUSY: "Another command is starting or stopping infer's own Redis." },
  ),
  ...errors(
    { ...DENIED, httpStatus: 500, fault: 'device', doc: 'cli.md#redis' },
    { REDIS_STATE_DIR: "The directory of infer's own Redis is open to others or cannot be used." },
  ),
} as const;

const USAGE = { exitCode: ExitCode.Usage, httpStatus: 400, retryable: false, fault: 'caller' } as const;

/** Tuning a server and creating its users. */
export const TUNE_ERRORS = {
  ...errors(
    { ...USAGE, doc: 'redis-tune.md#applying-changes' },
    {
      TUNE_MAXMEMORY: 'The given memory limit cannot be set.',
      TUNE_POLICY: 'The given eviction policy cannot be set.',
    },
  ),
  ...errors(
    { ...USAGE, exitCode: ExitCode.BadConfig, doc: 'redis-tune.md#applying-changes' },
    {
      TUNE_REFUSED: 'The server does not accept the value of a setting.',
      TUNE_REPLICA: 'The server is a replica, so changing its settings has no effect yet.',
      TUNE_ROLE: 'The server holds queues, so it must not be tuned as a server for results.',
    },
  ),
  ...errors(
    { ...DENIED, traits: [], doc: 'redis-tune.md#managed-redis' },
    { TUNE_PERMISSION: 'The server refuses `CONFIG`, as managed ones do.' },
  ),
  ...errors(
    {
      ...USAGE,
      exitCode: ExitCode.TryAgain,
      httpStatus: 409,
      retryable: true,
      doc: 'redis-tune.md#applying-changes',
    },
    { TUNE_CHANGED: 'Someone changed a setting while the plan was being confirmed: nothing was set.' },
  ),
  ...errors(
    { ...USAGE, exitCode: ExitCode.Negative, httpStatus: 409, doc: 'redis-tune.md#undoing-changes' },
    { TUNE_CHANGED_SINCE: 'Someone has changed a setting since infer set it, so it is not restored.' },
  ),
  ...errors(
    {
      ...USAGE,
      exitCode: ExitCode.Partial,
      httpStatus: 500,
      fault: 'broker',
      doc: 'redis-tune.md#undoing-changes',
    },
    { TUNE_HALF_DONE: 'Some settings were changed and could not be restored.' },
  ),
  ...errors(
    { ...USAGE, exitCode: ExitCode.NoInput, httpStatus: 404, doc: 'redis-tune.md#undoing-changes' },
    {
      TUNE_SNAPSHOT: 'The file is not a snapshot of `infer redis-tune`.',
      TUNE_NO_SNAPSHOT: 'No change of this server is on record here.',
    },
  ),
  ...errors(
    { ...DENIED, traits: [], httpStatus: 500, fault: 'device', doc: 'redis-tune.md#undoing-changes' },
    { TUNE_SNAPSHOT_WRITE: 'The old settings cannot be saved, so nothing was changed.' },
  ),
  ...errors(
    { ...USAGE, doc: 'redis-tune.md#users-with-few-rights' },
    {
      ACL_PASSWORD: 'The password is unsuitable, or would not be shown anywhere.',
      ACL_USER: 'The name cannot be that of a Redis user.',
    },
  ),
  ...errors(
    { ...USAGE, exitCode: ExitCode.Negative, httpStatus: 409, doc: 'redis-tune.md#users-with-few-rights' },
    { ACL_USER_EXISTS: 'The server already has a user of this name.' },
  ),
  ...errors(
    { ...DENIED, traits: [], doc: 'redis-tune.md#users-with-few-rights' },
    { ACL_ABSENT: 'The server has no `ACL` command.' },
  ),
} as const;
