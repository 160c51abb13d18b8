import { BOUNDS, LOCK_MS } from '../core/bounds.js';
import { modelName, operator, queueName, queueNames } from './name-rules.js';
import { redisRule } from './redis-rule.js';
import { boolean, duration, integer, oneOf, seconds, text } from './rules.js';
import { type RunnerBounds, runnerBounds } from './runner-bounds.js';
import type { ComputedSetting, Setting, SettingWithDefault } from './setting.js';
import { type WorkerGroup, workerGroups } from './worker-groups.js';

const PREFIX = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const GPU = /^(?:\d{1,3}|(?:GPU|MIG)-[A-Za-z0-9/-]+)$/;

/** THE table: flags, environment, configuration files and `--help` are generated from it. One entry each. */
export const SETTINGS = {
  redisUrl: {
    env: 'INFER_REDIS_URL',
    flag: 'redis',
    helpValue: '<url>',
    doc: 'Redis server to use',
    defaultText: "redis://127.0.0.1:6379 when something answers there, else infer's own private server",
    rule: redisRule,
  } as Setting<string>,
  redisPassword: {
    env: 'INFER_REDIS_PASSWORD',
    doc: 'password of the Redis server; only from the environment, so that it is in no file or process list',
    secret: true,
    notInFile: true,
    rule: text('a password', '…'),
  } as Setting<string>,
  redisPasswordFile: {
    env: 'INFER_REDIS_PASSWORD_FILE',
    doc: 'file that holds the password of the Redis server',
    path: true,
    rule: text('a path', '/run/secrets/redis-password'),
  } as Setting<string>,
  redisCaFile: {
    env: 'INFER_REDIS_CA_FILE',
    doc: 'PEM file of the authority that signed the certificate of a rediss:// server',
    path: true,
    rule: text('a path', '/etc/ssl/redis-ca.pem'),
  } as Setting<string>,
  redisCertFile: {
    env: 'INFER_REDIS_CERT_FILE',
    doc: 'PEM file of the client certificate for a rediss:// server that asks for one',
    path: true,
    rule: text('a path', '/etc/infer/redis-client.pem'),
  } as Setting<string>,
  redisKeyFile: {
    env: 'INFER_REDIS_KEY_FILE',
    doc: 'PEM file of the private key of INFER_REDIS_CERT_FILE',
    defaultText: 'the key in INFER_REDIS_CERT_FILE',
    path: true,
    rule: text('a path', '/etc/infer/redis-client.key'),
  } as Setting<string>,
  redisKeyPassword: {
    env: 'INFER_REDIS_KEY_PASSWORD',
    doc: 'password of the private key, if it is encrypted; only from the environment',
    secret: true,
    notInFile: true,
    rule: text('a password', '…'),
  } as Setting<string>,
  prefix: {
    env: 'INFER_PREFIX',
    flag: 'prefix',
    helpValue: '<name>',
    doc: 'first part of every Redis key; separates installations that share a server',
    default: 'infer',
    rule: text('a name of letters, digits, dot, dash and underscore', 'infer', PREFIX),
  } as SettingWithDefault<string>,
  stateDir: {
    env: 'INFER_STATE_DIR',
    doc: "where infer's own private Redis server keeps its data and socket, and detached workers their logs",
    defaultText: '$XDG_STATE_HOME/infer or ~/.local/state/infer',
    computed: true,
    path: true,
    rule: text('a path', '~/.local/state/infer'),
  } as ComputedSetting<string>,
  modelsDir: {
    env: 'INFER_MODELS_DIR',
    flag: 'models',
    helpValue: '<path>',
    doc: 'directory of models: <name>/<version>/model.onnx; or one model, its directory or .onnx file',
    defaultText: './models, else the models that come with infer',
    computed: true,
    path: true,
    rule: text('a path', './models'),
  } as ComputedSetting<string>,
  resultTtl: {
    env: 'INFER_RESULT_TTL',
    flag: 'result-ttl',
    helpValue: '<time>',
    doc: 'how long a result is kept; 0 keeps none',
    default: 3600,
    defaultText: '1h',
    rule: seconds('1h'),
  } as SettingWithDefault<number>,
  resultUrl: {
    env: 'INFER_RESULT_URL',
    doc: 'another Redis server for results',
    rule: redisRule,
  } as Setting<string>,
  queue: {
    env: 'INFER_QUEUE',
    flag: 'queue',
    char: 'Q',
    helpValue: '<name>',
    doc: 'queue to submit to',
    defaultText: 'realtime for one row, batch for many',
    rule: queueName(),
  } as Setting<string>,
  queues: {
    env: 'INFER_QUEUES',
    flag: 'queues',
    char: 'Q',
    helpValue: '<names>',
    doc: 'queues to serve, most urgent first: realtime,batch',
    default: ['realtime', 'batch', 'default'],
    defaultText: 'realtime,batch,default',
    rule: queueNames(),
  } as SettingWithDefault<readonly string[]>,
  model: {
    env: 'INFER_MODEL',
    flag: 'model',
    char: 'm',
    helpValue: '<name>',
    doc: 'model to run, or one version of it: name@2',
    rule: modelName(),
  } as Setting<string>,
  gpu: {
    env: 'INFER_GPU',
    flag: 'gpu',
    helpValue: '<id>',
    doc: 'GPU to use: an index, GPU-<uuid> or MIG-<uuid>',
    rule: text('a GPU index, GPU-<uuid> or MIG-<uuid>', '0', GPU),
  } as Setting<string>,
  requireGpu: {
    env: 'INFER_REQUIRE_GPU',
    flag: 'require-gpu',
    doc: 'fail when the GPU cannot be used, instead of running on the CPU',
    default: false,
    rule: boolean(),
  } as SettingWithDefault<boolean>,
  provider: {
    env: 'INFER_PROVIDER',
    flag: 'provider',
    doc: 'ONNX Runtime execution provider',
    default: 'auto',
    rule: oneOf(['auto', 'cpu', 'cuda', 'webgpu', 'tensorrt', 'coreml', 'dml']),
  } as SettingWithDefault<'auto' | 'cpu' | 'cuda' | 'webgpu' | 'tensorrt' | 'coreml' | 'dml'>,
  maxBatch: {
    env: 'INFER_MAX_BATCH',
    flag: 'max-batch',
    helpValue: '<rows>',
    doc: 'most rows in one run of the model',
    defaultText: 'learned from run times',
    rule: integer(BOUNDS.maxBatch),
  } as Setting<number>,
  latencyTarget: {
    env: 'INFER_LATENCY_TARGET',
    flag: 'latency-target',
    helpValue: '<time>',
    doc: 'longest run that a learned batch size may take: what urgent work may have to wait for',
    default: 20,
    defaultText: '20ms',
    rule: duration(1, '20ms'),
  } as SettingWithDefault<number>,
  batchWindow: {
    env: 'INFER_BATCH_WINDOW',
    flag: 'batch-window',
    helpValue: '<time>',
    doc: 'longest wait for more rows to join a run; 0 runs at once',
    default: 0,
    rule: duration(0, '5ms'),
  } as SettingWithDefault<number>,
  rowCheck: {
    env: 'INFER_ROW_CHECK',
    doc: 'now and then run one row of a run again alone and compare, in at most 0.1 % of run time; false: never',
    default: true,
    rule: boolean(),
  } as SettingWithDefault<boolean>,
  concurrency: {
    env: 'INFER_CONCURRENCY',
    flag: 'concurrency',
    char: 'c',
    helpValue: '<n>',
    doc: 'runs at the same time, each in its own process',
    default: 1,
    rule: integer({ min: 1, max: 256 }),
  } as SettingWithDefault<number>,
  autoscale: {
    env: 'INFER_AUTOSCALE',
    flag: 'autoscale',
    helpValue: '<max,min>',
    doc: 'on the CPU: as many runs at the same time as the backlog asks for, within these bounds',
    defaultText: 'always --concurrency',
    rule: runnerBounds(),
  } as Setting<RunnerBounds>,
  autoscaleKeepAlive: {
    env: 'INFER_AUTOSCALE_KEEP_ALIVE',
    doc: 'how long a runner that --autoscale started stays without work',
    default: 30_000,
    defaultText: '30s',
    rule: duration(1000, '30s'),
  } as SettingWithDefault<number>,
  threads: {
    env: 'INFER_THREADS',
    flag: 'threads',
    helpValue: '<n>',
    doc: 'CPU threads of one run',
    defaultText: 'all CPU cores but one, shared out over --concurrency or the most of --autoscale',
    rule: integer({ min: 1, max: 1024 }),
  } as Setting<number>,
  timeLimit: {
    env: 'INFER_TIME_LIMIT',
    flag: 'time-limit',
    helpValue: '<time>',
    doc: 'run time after which a job is killed and fails',
    defaultText: 'none',
    rule: duration(BOUNDS.timeLimitMs.min, '30s', BOUNDS.timeLimitMs.max),
  } as Setting<number>,
  softTimeLimit: {
    env: 'INFER_SOFT_TIME_LIMIT',
    flag: 'soft-time-limit',
    helpValue: '<time>',
    doc: 'run time after which a job stops between two runs, its rows so far kept',
    defaultText: 'none',
    rule: duration(BOUNDS.timeLimitMs.min, '25s', BOUNDS.timeLimitMs.max),
  } as Setting<number>,
  retries: {
    env: 'INFER_RETRIES',
    flag: 'retries',
    helpValue: '<n>',
    doc: 'tries after the first, for failures that may go away; a bad input is never tried again',
    default: 2,
    rule: integer(BOUNDS.retries),
  } as SettingWithDefault<number>,
  retryDelay: {
    env: 'INFER_RETRY_DELAY',
    flag: 'retry-delay',
    helpValue: '<time>',
    doc: 'pause before the first retry, doubled each time and varied by half',
    default: 5000,
    defaultText: '5s',
    rule: duration(0, '5s', BOUNDS.retryDelayMs.max),
  } as SettingWithDefault<number>,
  failedTtl: {
    env: 'INFER_FAILED_TTL',
    flag: 'failed-ttl',
    helpValue: '<time>',
    doc: 'how long failed jobs and their input are kept for infer retry',
    default: 7 * 86_400,
    defaultText: '7d',
    rule: seconds('7d'),
  } as SettingWithDefault<number>,
  logLevel: {
    env: 'INFER_LOG_LEVEL',
    flag: 'log-level',
    doc: 'lowest level of log lines',
    default: 'info',
    rule: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  } as SettingWithDefault<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'>,
  drainTimeout: {
    env: 'INFER_DRAIN_TIMEOUT',
    flag: 'drain-timeout',
    helpValue: '<time>',
    doc: 'how long a stopping worker may take to finish its jobs before it hands them back',
    default: 30_000,
    defaultText: '30s',
    rule: duration(0, '30s'),
  } as SettingWithDefault<number>,
  lockTtl: {
    env: 'INFER_LOCK_TTL',
    doc: 'how long a worker may be silent before its jobs are given to another',
    default: LOCK_MS,
    defaultText: '10s',
    rule: duration(BOUNDS.lockMs.min, '10s', BOUNDS.lockMs.max),
  } as SettingWithDefault<number>,
  metricsToken: {
    env: 'INFER_METRICS_TOKEN',
    doc: 'bearer token that infer metrics requires; without one, anyone who can reach it can read it',
    secret: true,
    notInFile: true,
    rule: text('a token', '…'),
  } as Setting<string>,
  tokenFile: {
    env: 'INFER_TOKEN_FILE',
    flag: 'token-file',
    helpValue: '<file>',
    doc: 'file of the tokens that callers of infer serve need',
    defaultText: 'none; infer token uses tokens.json in the state directory',
    path: true,
    rule: text('a path', '/etc/infer/tokens.json'),
  } as Setting<string>,
  workers: {
    env: 'INFER_WORKERS',
    doc: 'workers that `infer workers start` and `infer up` start: [{"name":"gpu","queues":["realtime"],"perGpu":true}]',
    rule: workerGroups(),
  } as Setting<readonly WorkerGroup[]>,
  operator: {
    env: 'INFER_OPERATOR',
    flag: 'as',
    helpValue: '<name>',
    doc: 'name recorded in the audit log',
    defaultText: 'the user of this system',
    rule: operator(),
  } as Setting<string>,
  noColor: {
    env: 'INFER_NO_COLOR',
    flag: 'no-color',
    doc: 'no colour, also with NO_COLOR',
    default: false,
    rule: boolean(),
  } as SettingWithDefault<boolean>,
  debug: {
    env: 'INFER_DEBUG',
    doc: 'show stack traces of failures',
    default: false,
    notInFile: true,
    rule: boolean(),
  } as SettingWithDefault<boolean>,
  configFile: {
    env: 'INFER_CONFIG',
    flag: 'config',
    helpValue: '<file>',
    doc: 'configuration file to read instead of searching for one',
    path: true,
    notInFile: true,
    rule: text('a path', './infer.config.json'),
  } as Setting<string>,
} as const;

export type SettingName = keyof typeof SETTINGS;

/** Every setting by name, after loading; those without a default may be undefined. */
export type Settings = {
  readonly [K in SettingName]: (typeof SETTINGS)[K] extends
    | SettingWithDefault<infer T>
    | ComputedSetting<infer T>
    ? T
    : (typeof SETTINGS)[K] extends Setting<infer T>
      ? T | undefined
      : never;
};

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

/** A row of the table without its type, for code that iterates over the table. */
export function settingOf(name: SettingName): Setting<unknown> & { readonly default?: unknown } {
  return SETTINGS[name];
}
