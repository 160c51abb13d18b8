import type { ErrorCode } from '../core/error-table.js';
import type { OwnFailure } from '../core/errors.js';

export interface ReplyRule {
  match: RegExp;
  make(at: string, text: string): OwnFailure;
}

function rule(match: RegExp, code: ErrorCode, message: string, hint: string): ReplyRule {
  return {
    match,
    make: (at) => ({ code, message: message.replace('{at}', at), hint }),
  };
}

/** Scripts of servers before 7.0 put `-` before the error's word: `… -READONLY You can't write …`. */
const word = (name: string): RegExp => new RegExp(`(?:^|[ -])${name}\\b`);

const PASSWORD_HINT =
  'put the password in a file and name that in INFER_REDIS_PASSWORD_FILE, or in the address: redis://:<password>@host:6379, with a user redis://<user>:<password>@host:6379';

/** The meaning of a server's error replies, by their first word; the first match counts. */
export const REPLIES: readonly ReplyRule[] = [
  rule(
    /^NOAUTH\b|^ERR operation not permitted/i,
    'REDIS_AUTH',
    'Redis at {at} requires a password',
    PASSWORD_HINT,
  ),
  rule(
    /^WRONGPASS\b|^ERR invalid password/i,
    'REDIS_AUTH',
    'Redis at {at} refused the user or password',
    PASSWORD_HINT,
  ),
  rule(
    /no password is set|without any password configured/,
    'REDIS_AUTH',
    'Redis at {at} has no password, but one was given',
    'take the password out of the address',
  ),
  // On Redis 7, a command forbidden in a script causes an ERR without the command's name.
  { match: /(?:^|[ -])NOPERM\b|^ERR The user executing the script can't/, make: noPermission },
  rule(
    word('OOM'),
    'REDIS_FULL',
    'Redis at {at} is out of memory and takes no new work',
    'wait for workers to catch up (infer inspect), or raise maxmemory',
  ),
  rule(
    word('LOADING'),
    'REDIS_LOADING',
    'Redis at {at} is still reading its data from disk',
    'try again in a few seconds',
  ),
  rule(
    word('READONLY'),
    'REDIS_READONLY',
    'Redis at {at} is a read-only replica',
    'give the address of the primary, or redis-sentinel://… to follow a failover',
  ),
  rule(
    word('MASTERDOWN'),
    'REDIS_READONLY',
    'Redis at {at} is a replica that has lost its primary',
    'give the address of the primary, or try again after the failover',
  ),
  rule(
    word('MISCONF'),
    'REDIS_MISCONF',
    'Redis at {at} cannot write to its disk and refuses changes',
    "free space on the server's disk and look at its log",
  ),
  rule(
    word('NOREPLICAS'),
    'REDIS_NOREPLICAS',
    'Redis at {at} has too few replicas to accept changes',
    'bring the replicas back, or lower min-replicas-to-write',
  ),
  rule(
    word('CLUSTERDOWN'),
    'REDIS_CLUSTER_DOWN',
    'the Redis Cluster at {at} is down or incomplete',
    '`redis-cli cluster info` shows the missing slots',
  ),
  rule(
    word('CROSSSLOT'),
    'REDIS_CROSSSLOT',
    'keys of two cluster slots were used at once at {at}',
    'this is a bug in infer: please report the command you ran',
  ),
  rule(
    /^(MOVED|ASK) \d/,
    'REDIS_CLUSTER',
    'Redis at {at} is a node of a Redis Cluster',
    'write redis-cluster:// instead of redis://',
  ),
  rule(
    word('BUSY'),
    'REDIS_BUSY',
    'Redis at {at} is busy with a long script',
    'try again; `redis-cli script kill` ends a stuck one',
  ),
  rule(
    /^ERR max number of clients/,
    'REDIS_BUSY',
    'Redis at {at} accepts no more connections',
    'raise maxclients on the server, or stop idle clients',
  ),
  rule(
    /^DENIED\b/,
    'REDIS_PERMISSION',
    'Redis at {at} is in protected mode and takes local connections only',
    'set a password (requirepass) and a bind address on the server',
  ),
  rule(
    /^ERR (DB index|invalid DB|SELECT is not allowed)/,
    'REDIS_DB',
    'Redis at {at} has no such database',
    'use database 0, or raise `databases` on the server',
  ),
  rule(
    word('WRONGTYPE'),
    'REDIS_WRONGTYPE',
    'a key of another program is in the way at {at}',
    'give infer its own database, such as redis://host:6379/1',
  ),
  rule(
    /unknown command/i,
    'REDIS_UNSUPPORTED',
    'the server at {at} lacks a command that infer needs',
    'use Redis 6.2 or newer, or Valkey',
  ),
];

function noPermission(at: string, text: string): OwnFailure {
  const command = /run the '([a-z|_-]{1,40})' command/i.exec(text)?.[1];
  const keys =
    /access (?:one of )?the (keys|channels)|No permissions to access a (key|channel)|can't access at least one of the keys/i.test(
      text,
    );
  const what =
    command !== undefined
      ? `run ${command.replace('|', ' ').toUpperCase()}`
      : keys
        ? 'use these keys'
        : 'do this';
  return {
    code: 'REDIS_PERMISSION',
    message: `the Redis user at ${at} may not ${what}`,
    hint:
      command !== undefined
        ? `allow it on the server: ACL SETUSER <user> +${command.toLowerCase()}`
        : "allow infer's keys on the server: ACL SETUSER <user> ~{infer:*",
  };
}
