import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { explainRedisError, insideContainer, isRedisError } from '../../../src/lib/redis/errors.js';
import { memoryHeadroom, parseInfo } from '../../../src/lib/redis/info.js';
import { retryDelay } from '../../../src/lib/redis/options.js';

const target = { label: 'redis://db.example:6380', source: 'flag' } as const;
const local = { label: 'redis://127.0.0.1:6379', source: 'default' } as const;

function reply(message: string): Error {
  const error = Object.assign(new Error(message), {
    command: { name: 'evalsha', args: ['PAYLOAD', 'local lua'] },
  });
  error.name = 'ReplyError';
  return error;
}

const socketError = (code: string, message = code): Error => Object.assign(new Error(message), { code });

describe('explainRedisError', () => {
  it.each([
    [socketError('ECONNREFUSED'), 'REDIS_UNREACHABLE', 69],
    [socketError('ENOTFOUND'), 'REDIS_UNREACHABLE', 69],
    [socketError('EAI_AGAIN'), 'REDIS_UNREACHABLE', 69],
    [socketError('ETIMEDOUT', 'connect ETIMEDOUT'), 'REDIS_UNREACHABLE', 69],
    [new Error('Connection is closed.'), 'REDIS_UNREACHABLE', 69],
    [new Error('All sentinels are unreachable and retry is disabled.'), 'REDIS_UNREACHABLE', 69],
    [new Error("Socket timeout. Expecting data, but didn't receive any in 5000ms."), 'REDIS_TIMEOUT', 69],
    [new Error('Command timed out'), 'REDIS_TIMEOUT', 69],
    [socketError('EACCES'), 'REDIS_PERMISSION', 77],
    [new Error('Unknown RESP type 72 "H"'), 'REDIS_PROTOCOL', 69],
    [socketError('DEPTH_ZERO_SELF_SIGNED_CERT'), 'REDIS_TLS', 69],
    [socketError('ERR_SSL_WRONG_VERSION_NUMBER'), 'REDIS_TLS', 69],
    [socketError('ERR_TLS_CERT_ALTNAME_INVALID'), 'REDIS_TLS', 69],
    [reply('NOAUTH HELLO must be called with the client already authenticated'), 'REDIS_AUTH', 77],
    [reply('WRONGPASS invalid username-password pair or user is disabled.'), 'REDIS_AUTH', 77],
    [reply("NOPERM this user has no permissions to run the 'config|set' command"), 'REDIS_PERMISSION', 77],
    [reply('NOPERM No permissions to access a key'), 'REDIS_PERMISSION', 77],
    [reply("OOM command not allowed when used memory > 'maxmemory'."), 'REDIS_FULL', 75],
    [
      reply('ERR Error running script (call to f_1): @user_script:3: -OOM command not allowed'),
      'REDIS_FULL',
      75,
    ],
    [reply('LOADING Redis is loading the dataset in memory'), 'REDIS_LOADING', 75],
    [reply("READONLY You can't write against a read only replica."), 'REDIS_READONLY', 75],
    [reply('MISCONF Redis is configured to save RDB snapshots'), 'REDIS_MISCONF', 75],
    [reply("CROSSSLOT Keys in request don't hash to the same slot"), 'REDIS_CROSSSLOT', 70],
    [reply('MOVED 866 10.0.0.1:6379'), 'REDIS_CLUSTER', 78],
    [reply('CLUSTERDOWN The cluster is down'), 'REDIS_CLUSTER_DOWN', 75],
    [reply('ERR DB index is out of range'), 'REDIS_DB', 78],
    [reply('ERR something new'), 'REDIS_ERROR', 69],
    [new TypeError('x is not a function'), 'INTERNAL', 70],
  ])('turns %s into %s, exit %i', (error, code, exitCode) => {
    const explained = explainRedisError(error, target, { inContainer: false });
    expect(explained).toMatchObject({ code, exitCode });
    if (code !== 'INTERNAL') expect(explained.message).toContain('db.example:6380');
    if (code !== 'INTERNAL' && code !== 'REDIS_ERROR') expect(explained.hint).toBeTruthy();
    if (code === 'INTERNAL') expect(isRedisError(error)).toBe(false);
    expect(inspect(explained, { depth: 9 })).not.toMatch(/PAYLOAD|local lua/);
  });

  it('names the denied command', () => {
    const explained = explainRedisError(
      reply("NOPERM User worker has no permissions to run the 'evalsha' command"),
      target,
    );
    expect(explained.message).toContain('EVALSHA');
    expect(explained.hint).toContain('+evalsha');
  });

  it('drops arguments that Redis echoes for an unknown command', () => {
    const explained = explainRedisError(
      reply("ERR unknown command 'FOO', with args beginning with: 's3cret' "),
      target,
    );
    expect(inspect(explained)).not.toContain('s3cret');
  });

  it('explains that localhost in a container is the container', () => {
    const refused = socketError('ECONNREFUSED');
    expect(explainRedisError(refused, local, { inContainer: true }).hint).toContain('container itself');
    expect(explainRedisError(refused, local, { inContainer: false }).hint).toContain('infer redis start');
    expect(explainRedisError(refused, target, { inContainer: true }).hint).not.toContain('container');
    expect(insideContainer('10.0.0.1')).toBe(true);
  });

  it('looks behind an error that only says the connection closed', () => {
    const explained = explainRedisError(new Error('Connection is closed.'), target, {
      lastError: reply('WRONGPASS invalid username-password pair'),
    });
    expect(explained.code).toBe('REDIS_AUTH');
  });
});

describe('retryDelay', () => {
  const state = { first: true, waitForRedis: false, lastError: undefined };
  it('stops early for a command and for a first connection', () => {
    expect([1, 2, 3].map((n) => retryDelay('command', { ...state, first: false }, n))).toEqual([
      100,
      100,
      null,
    ]);
    expect(retryDelay('worker', state, 3)).toBeNull();
    expect(retryDelay('command', { ...state, lastError: new Error('Socket timeout. x') }, 1)).toBeNull();
  });
  it('never stops for a worker, and stays between 25 ms and 2 s', () => {
    for (const times of [1, 2, 6, 50, 100_000]) {
      const wait = retryDelay('worker', { ...state, first: false }, times) as number;
      expect(wait).toBeGreaterThanOrEqual(25);
      expect(wait).toBeLessThanOrEqual(2000);
    }
    expect(retryDelay('blocking', { ...state, waitForRedis: true }, 9)).toBeGreaterThanOrEqual(1000);
  });
});

describe('parseInfo', () => {
  it('recognises Valkey, Dragonfly and a replica', () => {
    expect(parseInfo('redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n')).toMatchObject({
      flavour: 'valkey',
      version: '8.1.0',
    });
    expect(parseInfo('redis_version:7.4.0\r\ndragonfly_version:df-v1.27.1\r\n')).toMatchObject({
      flavour: 'dragonfly',
      version: '1.27.1',
    });
    expect(parseInfo('role:slave\r\nloading:1\r\n')).toMatchObject({ role: 'replica', loading: true });
  });
  it('knows the headroom, and that there may be no limit', () => {
    expect(memoryHeadroom({ usedMemory: 25, maxMemory: 100 })).toBe(0.75);
    expect(memoryHeadroom({ usedMemory: 200, maxMemory: 100 })).toBe(0);
    expect(memoryHeadroom({ usedMemory: 25, maxMemory: 0 })).toBeUndefined();
  });
});
