import { beforeAll, describe, expect, it } from 'vitest';
import { readEvents } from '../../../src/lib/queue/events/read-events.js';
import { listSeries, readHistory } from '../../../src/lib/queue/history/read-history.js';
import { ACL_ROLES, type AclRole, aclRules } from '../../../src/lib/redis/acl.js';
import { closeClient, connect, explain } from '../../../src/lib/redis/connect.js';
import { denials, setUser } from '../../support/acl.js';
import { useInfer } from '../../support/cli.js';
import { ONE_DIGIT } from '../../support/digits.js';
import { useRedis } from '../../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const PASSWORD = 'secret';
const env = (role: AclRole) => ({ INFER_REDIS_URL: `redis://${role}:${PASSWORD}@127.0.0.1:${redis.port}` });
/** No worker serves it, so jobs there wait. */
const QUEUE = 'held';
const BASE = `{infer:${QUEUE}}:${QUEUE}:`;

beforeAll(async () => {
  for (const role of ACL_ROLES) await setUser(redis, role, PASSWORD, aclRules(role, 'infer'));
  const worker = await infer.worker(['--name', 'served', '-Q', 'realtime', '-m', 'digits'], {
    env: env('worker'),
  });
  expect(worker.stderr).toContain('served');
});

/** A waiting job of no particular user. */
async function waiting(): Promise<string> {
  const run = await infer.ask(['submit', ONE_DIGIT, '-Q', QUEUE, '--quiet'], { env: env('producer') });
  expect(run.stderr).not.toContain('Error');
  return run.stdout.trim();
}

async function paused(words: readonly string[]): Promise<readonly string[]> {
  const run = await infer.ask(['control', 'pause', QUEUE], { env: env('admin') });
  expect(run.exitCode, run.stderr).toBe(0);
  return words;
}

async function going(words: readonly string[]): Promise<readonly string[]> {
  await (await redis.client()).hdel(`${BASE}meta`, 'paused');
  return words;
}

type Words = readonly string[] | (() => Promise<readonly string[]>);
const WORK: readonly [name: string, words: Words, allowed: readonly AclRole[]][] = [
  ['submit', ['submit', ONE_DIGIT, '--wait'], ['producer', 'admin']],
  ['submit to a queue that is new', ['submit', ONE_DIGIT, '-Q', 'brand-new'], ['producer', 'admin']],
  ['result', async () => ['result', await waiting()], ['producer', 'admin']],
  ['cancel', async () => ['cancel', await waiting()], ['producer', 'admin']],
  ['retry', async () => ['retry', await waiting()], ['producer', 'admin']],
  ['inspect', ['inspect', '--json'], ['inspector', 'admin']],
  ['inspect jobs', ['inspect', 'jobs', '-Q', QUEUE], ['inspector', 'admin']],
  ['inspect audit', ['inspect', 'audit'], ['inspector', 'admin']],
  ['inspect history', ['inspect', 'history', '--by', 'queue'], ['inspector', 'admin']],
  ['events', ['events'], ['inspector', 'admin']],
  ['control pause', async () => going(['control', 'pause', QUEUE]), ['admin']],
  ['control resume', async () => paused(['control', 'resume', QUEUE]), ['admin']],
  ['control priority', async () => ['control', 'priority', await waiting(), '-p', '9'], ['admin']],
  ['control revoke', ['control', 'revoke', '-Q', QUEUE, '--yes'], ['admin']],
  ['control purge', ['control', 'purge', QUEUE, '--yes'], ['admin']],
  ['control purge delayed', ['control', 'purge', QUEUE, '--state', 'delayed', '--yes'], ['admin']],
  ['control set', ['control', 'set', 'served', 'max-batch', '8'], ['admin']],
  ['redis-tune apply', ['redis-tune', 'apply', '--maxmemory', '200mb', '--yes'], ['admin']],
];

/**
 * A worker takes and ends any job of its queues, so it is trusted with them. A gateway has no commands of its
 * own; its tests are below and in test/cli/redis-tune-acl.test.ts.
 */
describe.each(ACL_ROLES.filter((role) => role !== 'worker' && role !== 'gateway'))(
  'the permissions of %s',
  { timeout: 120_000 },
  (role) => {
    it.each(WORK)('are right for %s', async (_, words, allowed) => {
      const typed = typeof words === 'function' ? await words() : words;
      await denials(redis);
      const run = await infer.ask(typed, { env: env(role) });
      const refused = await denials(redis);
      if (allowed.includes(role)) {
        expect(run.stderr).not.toMatch(/^Error/m);
        expect([77, 70, 78]).not.toContain(run.exitCode);
        expect(refused).toEqual([]);
      } else {
        expect([run.exitCode, run.stderr + run.stdout]).toEqual([
          77,
          expect.stringMatching(/may not |refused/),
        ]);
        expect(refused.length).toBeGreaterThan(0);
      }
    });
  },
);

describe('a producer that talks to Redis directly', () => {
  it('cannot pause or empty a queue, command a worker, forge a record or list anything', async () => {
    const id = await waiting();
    const target = { url: env('producer').INFER_REDIS_URL, label: redis.url, source: 'flag' as const };
    const client = await connect(target, 'command', redis.settings());
    const admin = await redis.client();
    const before = await admin.zcard(`${BASE}prioritized`);
    expect(before).toBeGreaterThan(0);
    for (const words of [
      ['HSET', `${BASE}meta`, 'paused', '1'],
      ['HSETNX', `${BASE}meta`, 'paused', '1'],
      ['HINCRBY', `${BASE}meta`, 'paused', '1'],
      ['HMSET', `${BASE}meta`, 'concurrency', '0'],
      ['DEL', `${BASE}meta`],
      ['DEL', `${BASE}prioritized`],
      ['EXPIRE', `${BASE}prioritized`, '0'],
      ['DEL', `${BASE}wait`],
      ['SET', `${BASE}active`, 'x'],
      ['ZRANGE', `${BASE}prioritized`, '0', '-1'],
      ['ZPOPMIN', `${BASE}prioritized`],
      ['ZREMRANGEBYRANK', `${BASE}prioritized`, '0', '-1'],
      ['LRANGE', `${BASE}active`, '0', '-1'],
      ['XREVRANGE', '{infer}:audit', '+', '-'],
      ['XADD', '{infer}:audit', '*', 'who', 'me'],
      ['XREVRANGE', '{infer}:audit:jobs', '+', '-'],
      ['XADD', '{infer}:events', '*', 'kind', 'scaled'],
      ['XADD', '{infer}:minutes:all:', '*', 'v', '{}'],
      ['HSET', '{infer}:history:open', 'x', 'y'],
      ['SET', '{infer}:history:writer', 'me'],
      ['HSET', '{infer}:states', 'x', '+{}'],
      ['DEL', '{infer}:audit:jobs'],
      ['SET', '{infer}:audit:jobs', 'x'],
      ['SET', '{infer}:ctlreq:c1', '{}'],
      ['RPUSH', '{infer}:ctl:w1', 'c1'],
      ['DEL', '{infer}:workers'],
      ['HSET', '{infer}:models', 'digits', '{}'],
      ['EVAL', `return redis.call('HSET', KEYS[1], 'paused', 1)`, '1', `${BASE}meta`],
      ['EVAL', `return redis.call('DEL', KEYS[1])`, '1', `${BASE}prioritized`],
      ['EVAL', `return redis.call('ZRANGE', KEYS[1], 0, -1)`, '1', `${BASE}prioritized`],
    ]) {
      const [command, ...args] = words as [string, ...string[]];
      const error: unknown = await client.call(command, ...args).catch((reason: unknown) => reason);
      expect(error, words.join(' ')).toBeInstanceOf(Error);
      expect(explain(client, error)).toMatchObject({ code: 'REDIS_PERMISSION' });
    }
    expect(await admin.zcard(`${BASE}prioritized`)).toBe(before);
    expect(await admin.hexists(`${BASE}meta`, 'paused')).toBe(0);
    expect(await admin.exists(`${BASE}${id}`)).toBe(1);
    await closeClient(client);
    await denials(redis);
  });

  it('can use its own ids, and is told which ones its rules do not cover', async () => {
    for (const own of ['order-1234', 'ORDER', 'job.7', 'nightly']) {
      const run = await infer.run(['submit', ONE_DIGIT, '-Q', QUEUE, '--id', own], { env: env('producer') });
      expect([own, run.exitCode, run.stdout]).toEqual([own, 0, `${own}\n`]);
    }
    const run = await infer.ask(['submit', ONE_DIGIT, '-Q', QUEUE, '--id', 'mine'], { env: env('producer') });
    expect([run.exitCode, run.stderr]).toEqual([77, expect.stringMatching(/may not/)]);
    expect(await (await redis.client()).zscore(`${BASE}prioritized`, 'mine')).toBeNull();
    await denials(redis);
  });
});

describe('a gateway', { timeout: 120_000 }, () => {
  it('reads the history and the events, without the changes of operators', async () => {
    await denials(redis);
    const target = { url: env('gateway').INFER_REDIS_URL, label: redis.url, source: 'flag' as const };
    const client = await connect(target, 'command', redis.settings());
    const { kind, points } = await readHistory(client, 'infer', { kind: 'all', range: '1h' });
    expect([kind, points.length]).toEqual(['all', expect.any(Number)]);
    expect(await listSeries(client, 'infer')).toEqual(expect.any(Array));
    await readHistory(client, 'infer', { kind: 'all', range: '14d' });
    const { events } = await readEvents(client, 'infer');
    expect(events.map((event) => event.kind)).toContain('worker-started');
    expect(events.map((event) => event.kind)).not.toContain('change');
    await closeClient(client);
    expect(
      (await denials(redis)).every((denied) => denied.includes('gateway: ') && denied.includes('audit')),
    ).toBe(true);
  });

  it('cannot pause a queue, command a worker, forge a record or read the audit log', async () => {
    const id = await waiting();
    const target = { url: env('gateway').INFER_REDIS_URL, label: redis.url, source: 'flag' as const };
    const client = await connect(target, 'command', redis.settings());
    const admin = await redis.client();
    // It lists jobs, which a producer cannot.
    expect(await client.zrange(`${BASE}prioritized`, '0', '-1')).toContain(id);
    await denials(redis);
    for (const words of [
      ['HSET', `${BASE}meta`, 'paused', '1'],
      ['HMSET', `${BASE}meta`, 'concurrency', '0'],
      ['DEL', `${BASE}meta`],
      ['DEL', `${BASE}prioritized`],
      ['SET', `${BASE}active`, 'x'],
      ['ZPOPMIN', `${BASE}prioritized`],
      ['ZADD', `${BASE}completed`, '1', 'forged'],
      ['XREVRANGE', '{infer}:audit', '+', '-'],
      ['XADD', '{infer}:audit', '*', 'who', 'me'],
      ['XADD', '{infer}:events', '*', 'kind', 'scaled'],
      ['XADD', '{infer}:minutes:all:', '*', 'v', '{}'],
      ['HSET', '{infer}:history:open', 'x', 'y'],
      ['DEL', '{infer}:audit:jobs'],
      ['SET', '{infer}:ctlreq:c1', '{}'],
      ['RPUSH', '{infer}:ctl:w1', 'c1'],
      ['DEL', '{infer}:workers'],
      ['HSET', '{infer}:models', 'digits', '{}'],
      ['CONFIG', 'GET', 'maxmemory'],
      ['SET', '{other}:cursorkey', 'x'],
      ['ZADD', '{other}:quota:jobs:web', '1', 'x'],
      ['EVAL', `return redis.call('HSET', KEYS[1], 'paused', 1)`, '1', `${BASE}meta`],
    ]) {
      const [command, ...args] = words as [string, ...string[]];
      const error: unknown = await client.call(command, ...args).catch((reason: unknown) => reason);
      expect(error, words.join(' ')).toBeInstanceOf(Error);
      expect(explain(client, error)).toMatchObject({ code: 'REDIS_PERMISSION' });
    }
    expect(await admin.hexists(`${BASE}meta`, 'paused')).toBe(0);
    await closeClient(client);
    await denials(redis);
  });

  it.each([
    ['control pause', async () => going(['control', 'pause', QUEUE])],
    ['control priority', async () => ['control', 'priority', await waiting(), '-p', '9']],
    ['control purge', async () => ['control', 'purge', QUEUE, '--yes']],
    ['control set', async () => ['control', 'set', 'served', 'max-batch', '8']],
    ['inspect audit', async () => ['inspect', 'audit']],
    // Another size than the admin has set above.
    ['redis-tune apply', async () => ['redis-tune', 'apply', '--maxmemory', '300mb', '--yes']],
  ])('may not run %s, and nothing of it is done', async (_, words) => {
    const typed = await words();
    const admin = await redis.client();
    const before = await admin.zrange(`${BASE}prioritized`, '0', '-1', 'WITHSCORES');
    const run = await infer.ask(typed, { env: env('gateway') });
    expect([run.exitCode, run.stderr + run.stdout]).toEqual([77, expect.stringMatching(/may not |refused/)]);
    expect(await admin.zrange(`${BASE}prioritized`, '0', '-1', 'WITHSCORES')).toEqual(before);
    expect((await denials(redis)).length).toBeGreaterThan(0);
  });

  it('leaves a damaged job to the workers', async () => {
    const id = await waiting();
    const admin = await redis.client();
    await admin.del(`${BASE}${id}`);
    await admin.set(`${BASE}${id}`, 'no hash');
    expect((await infer.ask(['cancel', id], { env: env('gateway') })).exitCode).toBe(77);
    expect(await admin.zscore(`${BASE}prioritized`, id)).not.toBeNull();
    expect(await admin.zscore(`{infer:${QUEUE}}:damaged`, id)).toBeNull();
    await denials(redis);
  });
});
