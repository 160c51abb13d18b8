export const ACL_ROLES = ['producer', 'worker', 'inspector', 'admin'] as const;

export type AclRole = (typeof ACL_ROLES)[number];

/** Every connection: a sign of life, its name, memory and readiness, and the map of a Cluster. */
const CONNECTION = ['ping', 'info', 'client|setname', 'cluster|slots', 'cluster|info'];

/** What `infer inspect` and `infer models` read with; no scripts, since EVAL counts its keys as written. */
const LOOK = [
  ...['get', 'exists', 'hexists', 'hget', 'hgetall', 'hmget', 'hkeys', 'hvals', 'lindex', 'llen', 'lrange'],
  ...['pttl', 'strlen', 'xrevrange', 'zcard', 'zcount', 'zrange', 'zrangebyscore', 'zrank', 'zscore'],
];

/** What the scripts of submitting, cancelling and retrying do, BullMQ's of adding a job among them. */
const SUBMIT = [
  ...['eval', 'evalsha', 'blpop', 'del', 'expire', 'hdel', 'hgetall', 'hincrby', 'hmset', 'hset', 'hsetnx'],
  ...['incr', 'lpop', 'lpush', 'lrem', 'persist', 'rpush', 'sadd', 'scard', 'set', 'xadd', 'zadd', 'zrem'],
  ...['zrevrangebyscore', 'zscore'],
];

/** What taking, ending and recovering jobs does, the register of workers, and hearing orders. */
const SERVE = [
  ...['eval', 'evalsha', 'blpop', 'bzpopmin', 'del', 'expire', 'hdel', 'hincrby', 'hset', 'incr', 'lpush'],
  ...['lpos', 'lrange', 'lrem', 'persist', 'pexpire', 'rpop', 'rpush', 'set', 'xadd', 'zadd', 'zpopmin'],
  ...['zrem', 'zremrangebyscore', 'zscore'],
];

/** What `infer redis-tune` reads and sets besides; neither users nor other programs' keys. */
const TUNE = [
  ...['config|get', 'config|set', 'config|rewrite', 'dbsize', 'latency|latest', 'memory|usage', 'scan'],
  ...['xlen'],
];

const COMMANDS: Record<AclRole, readonly string[]> = {
  producer: [...LOOK, ...SUBMIT],
  worker: [...LOOK, ...SERVE],
  inspector: LOOK,
  admin: [...LOOK, ...SUBMIT, ...SERVE, ...TUNE],
};

/** Every command that a role sends or runs in its scripts, in lower case; `client|setname` is a sub-command. */
export function aclCommands(role: AclRole): string[] {
  return [...new Set([...CONNECTION, ...COMMANDS[role]])].sort();
}

/**
 * What a Redis user needs for a role and no more, as arguments of `ACL SETUSER name reset on
 * >password …`; needs Redis 7.0 or newer. Producers and workers run Lua, within these keys and
 * commands. A database other than 0 needs `+select` as well.
 * @param prefix the deployment's name, `infer` by default.
 */
export function aclRules(role: AclRole, prefix: string): string[] {
  // Braces are literal in Redis' patterns; these are not.
  const name = prefix.replace(/[\\*?[\]]/g, '\\$&');
  const keys = role === 'inspector' ? '%R~' : '~';
  return [
    'resetchannels',
    `${keys}{${name}:*}:*`,
    `${keys}{${name}}:*`,
    '-@all',
    ...aclCommands(role).map((command) => `+${command}`),
  ];
}
