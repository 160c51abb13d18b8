import {
  INSTALLATION_KEY,
  INSTALLATION_KEY_OF,
  QUEUE_KEY_OF as OF,
  QUEUE_BUCKET,
  QUEUE_KEY,
} from '../core/key-parts.js';

export const ACL_ROLES = ['producer', 'gateway', 'worker', 'inspector', 'admin'] as const;

export type AclRole = (typeof ACL_ROLES)[number];

/**
 * For every connection: liveness, its name, memory and readiness, the server's clock, and the map of a
 * Cluster.
 */
const CONNECTION = ['ping', 'info', 'time', 'client|setname', 'cluster|slots', 'cluster|info'];

/** Reads one thing whose name is known: a job, a result, a group, a model. */
const READ = [
  'get',
  'exists',
  'hexists',
  'hget',
  'hgetall',
  'hmget',
  'hkeys',
  'hvals',
  'llen',
  'pttl',
  'strlen',
  'type',
];

/** Lists: jobs of a queue, workers. */
const LIST = ['lindex', 'lrange', 'zcard', 'zcount', 'zrange', 'zrangebyscore', 'zrank', 'zscore'];

/** What `infer inspect` and `infer models` read with; no scripts, since EVAL counts its keys as written. */
const LOOK = [...READ, ...LIST, 'xrevrange'];

/** Writes of the scripts that submit, cancel and retry, including BullMQ's for adding a job. */
const SUBMIT = [
  ...['eval', 'evalsha', 'blpop', 'del', 'expire', 'hdel', 'hincrby', 'hmset', 'hset', 'hsetnx', 'incr'],
  ...['lpush', 'lrem', 'persist', 'rpush', 'set', 'xadd', 'zadd', 'zrem'],
];

/** Their writes to the lists of a queue, which a producer may add to and remove single jobs from. */
const SUBMIT_LISTS = ['incr', 'lpush', 'lrem', 'rpush', 'xadd', 'zadd', 'zrem'];

/** For taking, ending and recovering jobs, the register of workers, and receiving orders. */
const SERVE = [
  ...['eval', 'evalsha', 'blpop', 'bzpopmin', 'del', 'expire', 'hdel', 'hincrby', 'hset', 'hsetnx', 'incr'],
  ...['lpos', 'lpush', 'lrem', 'persist', 'pexpire', 'rpop', 'rpush', 'set', 'xadd', 'zadd', 'zpopmin'],
  ...['zrem', 'zremrangebyscore'],
];

/** For placing a job that waits for its time. */
const DELAY = ['zrange', 'zrevrangebyscore'];

/** What `infer redis-tune` reads and sets in addition; no users, and no other programs' keys. */
const TUNE = [
  ...['config|get', 'config|set', 'config|rewrite', 'dbsize', 'latency|latest', 'memory|usage', 'scan'],
  ...['xlen'],
];

/** For `infer control repair`, which takes keys out of use. */
const REPAIR = ['rename'];

const COMMANDS: Record<AclRole, readonly string[]> = {
  // Counts and ranks name no job: with them it learns where a job of its own stands.
  producer: [...READ, 'zcard', 'zcount', 'zrank', 'zscore', ...SUBMIT],
  // Counts of a token expire. It lists jobs and workers, and cannot read the audit log.
  gateway: [...READ, ...LIST, ...SUBMIT, 'pexpire'],
  worker: [...LOOK, ...SERVE],
  inspector: LOOK,
  admin: [...LOOK, ...SUBMIT, ...DELAY, ...SERVE, ...TUNE, ...REPAIR],
};

/**
 * Every command that a role sends or runs in its scripts, in lower case; `client|setname` is a subcommand.
 */
export function aclCommands(role: AclRole): string[] {
  return [...new Set([...CONNECTION, ...COMMANDS[role]])].sort();
}

/**
 * The same for Redis 6.2, which has neither read-only keys nor selectors: a producer or gateway there may use
 * every key of the installation, and so also pauses and purges.
 */
export function aclRules62(role: AclRole, prefix: string): string[] {
  const [queue, whole] = keysOf(prefix);
  const lists = role === 'producer' || role === 'gateway' ? [...DELAY, 'zrangebyscore'] : [];
  if (role === 'gateway') lists.push('xrevrange');
  const commands = [...new Set([...aclCommands(role), ...lists])].sort();
  return ['resetchannels', `~${queue}*`, `~${whole}`, '-@all', ...commands.map((command) => `+${command}`)];
}

/** Patterns for the beginning of the keys of a queue, and of installation-wide keys. */
function keysOf(prefix: string): [queue: string, whole: string, name: string] {
  // Braces are literal in Redis's patterns; these are not.
  const name = prefix.replace(/[\\*?[\]]/g, '\\$&');
  return [`{${name}:*}:`, `{${name}}:*`, name];
}

/**
 * Exactly what a Redis user needs for a role, as arguments of `ACL SETUSER name reset on >password …`; needs
 * Redis 7.0 or later. Producers and workers run Lua, within these keys and commands. A database other than 0
 * needs `+select` as well.
 * @param prefix the deployment's name, `infer` by default.
 */
export function aclRules(role: AclRole, prefix: string): string[] {
  const [queue, whole, name] = keysOf(prefix);
  const commands = ['-@all', ...aclCommands(role).map((command) => `+${command}`)];
  if (role === 'producer') return producerRules(queue, whole, name, commands);
  if (role === 'gateway') return gatewayRules(queue, whole, name, commands);
  const keys = role === 'inspector' ? '%R~' : '~';
  return ['resetchannels', `${keys}${queue}*`, `${keys}${whole}`, ...commands];
}

/** Lists of a queue that submitting adds to, cancelling removes from and retrying moves between. */
const LISTS = ['wait', 'prioritized', 'delayed', 'failed', 'events', 'pc', 'id', 'marker'];

/**
 * Our keys apart from the jobs: inputs, results, groups, requests, arrivals, replies, the index by model,
 * deadlines, ended and damaged jobs, the data mark.
 */
const OWN_KEYS = [
  ...[OF.input, OF.result, OF.group, OF.request].map((part) => `${part}:*`),
  `${QUEUE_BUCKET.stats}:[0-9]*`,
  ...[OF.reply, OF.byModel].map((part) => `${part}:*`),
  ...[QUEUE_KEY.deadlines, QUEUE_KEY.expired, QUEUE_KEY.cancelled],
  ...[QUEUE_KEY.damaged, QUEUE_KEY.damagedWhy, QUEUE_KEY.data],
];

/**
 * Job hashes but none of a queue's own keys, such as `meta`, which says whether it is paused: an id that
 * contains a digit, capital, dot or underscore, or begins like none of those keys. Ids generated by infer
 * begin with `j` and `g`.
 */
const JOBS = ['*[0-9A-Z._]*', '[bghjknoqtuvxyz]*'];

/**
 * A producer reads keys whose names it knows, writes jobs and what belongs to them, and cannot list a queue.
 * Its scripts may be given any key, but each command in them is checked against these rules. It can thus
 * cancel the jobs whose ids it knows; it can neither pause nor empty a queue, nor send orders to workers. It
 * may add to the audit log of jobs, but neither read nor delete it; it has no access to the operators' log.
 */
function producerRules(
  queue: string,
  whole: string,
  name: string,
  commands: string[],
  { keys = [], scriptKeys = [] }: { keys?: string[]; scriptKeys?: string[] } = {},
): string[] {
  const list = (part: string): string => `~${queue}*:${part}`;
  const [jobAudit, requests] = [
    `~{${name}}:${INSTALLATION_KEY.jobAudit}`,
    `~{${name}}:${INSTALLATION_KEY_OF.request}:*`,
  ];
  return [
    'resetchannels',
    `%R~${queue}*`,
    `%R~${whole}`,
    `~{${name}}:${INSTALLATION_KEY.queues}`,
    `~{${name}}:${INSTALLATION_KEY.data}`,
    ...OWN_KEYS.map((part) => `~${queue}${part}`),
    ...JOBS.map(list),
    ...keys,
    ...commands,
    `(-@all +eval +evalsha ${[`~${queue}*`, jobAudit, requests, ...scriptKeys].join(' ')})`,
    // Its entries in the log of cancelled and retried jobs: only adding, and the request key used for it.
    `(-@all +xadd ${jobAudit})`,
    `(-@all +set ${requests})`,
    `(-@all ${SUBMIT_LISTS.map((command) => `+${command}`).join(' ')} ${LISTS.map(list).join(' ')})`,
    // Jobs that wait for their time, and deadlines: adding one looks up its place.
    `(-@all ${DELAY.map((command) => `+${command}`).join(' ')} %R~${queue}*:delayed)`,
    `(-@all +zrangebyscore ~${queue}${QUEUE_KEY.deadlines})`,
    `(-@all +zrange +zrangebyscore %R~{${name}}:${INSTALLATION_KEY.workers})`,
  ];
}

/**
 * A gateway does what a producer does, lists jobs and workers, deletes ended jobs and counts what tokens may
 * submit. A user that can list jobs and cancel them by id can also empty a queue, job by job. It can neither
 * pause a queue nor send orders to workers: with `--allow-control` it needs `admin`.
 */
function gatewayRules(queue: string, whole: string, name: string, commands: string[]): string[] {
  const quotas = `~{${name}}:${INSTALLATION_KEY_OF.quota}:*`;
  const keys = [quotas, `~{${name}}:${INSTALLATION_KEY.cursorKey}`];
  const past = [
    INSTALLATION_KEY.events,
    `${INSTALLATION_KEY_OF.minutes}:*`,
    `${INSTALLATION_KEY_OF.hours}:*`,
  ];
  return [
    ...producerRules(queue, whole, name, commands, { keys, scriptKeys: [quotas] }),
    `(-@all +zrem ~${queue}*:completed)`,
    // History and events, but not the audit log.
    `(-@all +xrevrange ${past.map((part) => `%R~{${name}}:${part}`).join(' ')})`,
  ];
}
