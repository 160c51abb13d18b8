import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { ACL_ROLES, type AclRole, aclRules } from '../../../src/lib/redis/acl.js';
import { closeClient, connect, explain } from '../../../src/lib/redis/connect.js';
import { denials, setUser } from '../../support/acl.js';
import { type Outcome, ROOT, useInfer } from '../../support/cli.js';
import { ONE_DIGIT } from '../../support/digits.js';
import { useRedis } from '../../support/redis.js';
import type { TestWorker } from '../../support/worker.js';
import { walkTheRoad } from './road.js';

const redis = useRedis({ port: true });
const infer = useInfer();
const ROLES = ACL_ROLES;
const CANARY = 'c4n4ry-p4ss';
const passwordOf = (role: AclRole): string => `${CANARY}-${role}-@:/%`;
const address = (role: AclRole) => ({ INFER_REDIS_URL: `redis://${role}@127.0.0.1:${redis.port}` });
const env = (role: AclRole) => ({ ...address(role), INFER_REDIS_PASSWORD: passwordOf(role) });
let worker: TestWorker;

beforeAll(async () => {
  for (const role of ROLES) await setUser(redis, role, passwordOf(role), aclRules(role, 'infer'));
  const file = infer.file('password', `${passwordOf('worker')}\n`);
  worker = await infer.worker(['-Q', 'realtime,batch', '--gpu', '0'], {
    env: { ...address('worker'), INFER_REDIS_PASSWORD_FILE: file, INFER_LOCK_TTL: '1s' },
  });
});

describe('least-privilege users', () => {
  it('cover all work of their roles without a denial', async () => {
    await walkTheRoad(infer, { producer: env('producer'), inspector: env('inspector') });
    const run = (...args: string[]): Promise<Outcome> => infer.run(args, { env: env('producer') });
    for (const duplicate of [undefined, true]) {
      const again = await run('submit', ONE_DIGIT, '--id', 'mine-1', '--json');
      expect(again.json().duplicate).toBe(duplicate);
    }
    expect((await run('result', 'mine-1', '--wait')).exitCode).toBe(0);
    await run('submit', ONE_DIGIT, '-Q', 'unserved', '--expires', '1ms');
    expect((await run('retry', 'mine-1')).exitCode).toBe(1);
    const all = await infer.run(['retry', '--failed', '-Q', 'batch'], { env: env('admin') });
    expect(all.exitCode).toBe(0);
    expect((await infer.run(['models', '--json'], { env: env('inspector') })).exitCode).toBe(0);
    expect(await denials(redis)).toEqual([]);
  });

  it('let a worker start and watch other workers', async () => {
    const run = await infer.run(['autoscale', '--once', '-Q', 'auto', '--max', '1', '--', '-m', 'digits'], {
      env: env('worker'),
    });
    expect(run.stdout).toContain('auto 0→1');
    expect((await infer.run(['workers', 'stop', '--all'], { env: env('worker') })).exitCode).toBe(0);
    expect(await denials(redis)).toEqual([]);
  });

  it('let the admin control workers, which receive the order, without a denial', async () => {
    const name = /infer worker (\S+)/.exec(worker.stderr)?.[1] as string;
    const job = await infer.run(['submit', ONE_DIGIT, '-Q', 'steered', '--quiet'], { env: env('producer') });
    const id = job.stdout.trim();
    for (const words of [
      ['pause', 'realtime'],
      ['resume', 'realtime'],
      ['priority', id, '-p', '9'],
      ['move', id, '--to', 'aside'],
      ['revoke', '-Q', 'aside', '--yes'],
      ['purge', 'aside', '--state', 'cancelled', '--yes'],
      ['set', name, 'max-batch', '8'],
      ['load', name, 'digits'],
      ['unload', name, 'digits', '--dry-run'],
      ['restart', name, '--yes', '--wait'],
    ]) {
      const run = await infer.run(['control', ...words], { env: env('admin') });
      expect([words[0], run.exitCode, run.stderr.replace(/^dry run.*\n/m, '')]).toEqual([
        words[0],
        words[0] === 'unload' ? 1 : 0,
        words[0] === 'move' ? expect.stringContaining('no worker serves aside') : '',
      ]);
    }
    expect(await denials(redis)).toEqual([]);
  });

  it.each([
    [['pause', 'realtime'], /may not run (EVAL|EVALSHA|HMSET|HSET)\b/],
    [['revoke', '-Q', 'unserved', '--state', 'waiting', '--yes'], /may not run (EVAL|EVALSHA)\b/],
    [['set', '*', 'max-batch', '8'], /may not run (SET|RPUSH|EXPIRE|BLPOP)\b/],
  ])('do not let the inspector %j, and say which permission is missing', async (words, message) => {
    await infer.run(['submit', ONE_DIGIT, '-Q', 'unserved'], { env: env('producer') });
    const run = await infer.run(['control', ...words], { env: env('inspector') });
    expect(run.exitCode).toBe(77);
    expect(run.stderr).toMatch(message);
    expect(run.stderr).toMatch(/the audit log has no entry of this/);
    expect((await denials(redis)).length).toBeGreaterThan(0);
  });

  it('let the worker run every command of our scripts', () => {
    const folder = `${ROOT}/src/lib/queue/lua`;
    // Damaged queues are repaired by an admin, and jobs are added by producers.
    const files = readdirSync(folder).filter((name) => !['repair.ts', 'add.ts'].includes(name));
    const text = files.map((name) => readFileSync(`${folder}/${name}`, 'utf8')).join('\n');
    const used = new Set([...text.matchAll(/\bcall\('(\w+)'/g)].map(([, name]) => `+${name?.toLowerCase()}`));
    expect(used.size).toBeGreaterThan(20);
    const allowed = new Set(aclRules('worker', 'infer'));
    expect([...used].filter((rule) => !allowed.has(rule))).toEqual([]);
  });

  it('are documented exactly as implemented', () => {
    const document = readFileSync(`${ROOT}/docs/connections.md`, 'utf8');
    for (const role of ROLES) {
      expect(document).toContain(`reset on >CHANGE-ME ${aclRules(role, 'infer').join(' ')}\n`);
    }
  });

  it('do not let the inspector submit, and say which permission is missing', async () => {
    const run = await infer.run(['submit', ONE_DIGIT], { env: env('inspector') });
    expect(run.exitCode).toBe(77);
    expect(run.stderr).toMatch(/may not run (EVAL|EVALSHA|HSETNX|HSET|SET|HMSET)\b/);
    expect(run.stderr).toMatch(/ACL SETUSER <user> \+\w+/);
    expect((await denials(redis)).length).toBeGreaterThan(0);
  });

  it('do not let the producer flush, look around or touch other keys', async () => {
    const admin = await redis.client();
    const url = new URL(redis.url);
    const secret = encodeURIComponent(passwordOf('producer'));
    const target = {
      url: `redis://producer:${secret}@${url.host}`,
      label: redis.url,
      source: 'flag' as const,
    };
    const client = await connect(target, 'command', redis.settings());
    await admin.set('{infer:x', '1');
    for (const words of [
      ['FLUSHALL'],
      ['KEYS', '*'],
      ['CONFIG', 'GET', '*'],
      ['ACL', 'LIST'],
      ['GET', '{other:realtime}:res:1'],
      ['SET', '{infer:x', '2'],
      ['SET', 'infer:realtime', '1'],
      ['EVAL', "return redis.call('SET', 'elsewhere', 1)", '0'],
      ['EVAL', "return redis.call('FLUSHALL')", '0'],
    ]) {
      const [command, ...args] = words as [string, ...string[]];
      const error: unknown = await client.call(command, ...args).catch((reason: unknown) => reason);
      expect(error, words.join(' ')).toBeInstanceOf(Error);
      expect(explain(client, error)).toMatchObject({ code: 'REDIS_PERMISSION', exitCode: 77 });
    }
    await closeClient(client);
    await denials(redis);
  });

  it.each([
    ['a password that is wrong', { INFER_REDIS_PASSWORD: `${CANARY}-wrong` }, /refused the user or password/],
    [
      'a file that is not there',
      { INFER_REDIS_PASSWORD_FILE: '/nowhere/secret' },
      /cannot be read: there is no such file/,
    ],
  ])('explain %s in plain words', async (_, more, message) => {
    const run = await infer.run(['inspect'], { env: { ...address('inspector'), ...more } });
    expect(run.exitCode).toBeGreaterThanOrEqual(77);
    expect(run.stderr).toMatch(message);
    expect(`${run.stdout}${run.stderr}`).not.toContain(CANARY);
  });

  it('leak no password in an argument, a log, an error or inspect', async () => {
    const outputs = await Promise.all([
      infer.run(['inspect'], { env: env('inspector') }),
      infer.run(['inspect', '--json'], { env: env('inspector') }),
      infer.run(['submit', ONE_DIGIT], { env: { ...env('inspector'), INFER_DEBUG: '1' } }),
      infer.run(['inspect'], {
        env: { INFER_REDIS_URL: `redis://worker:${CANARY}%@127.0.0.1:${redis.port}`, INFER_DEBUG: '1' },
      }),
    ]);
    if (existsSync('/proc/self/cmdline')) {
      expect(readFileSync(`/proc/${worker.pid}/cmdline`, 'latin1')).not.toContain(CANARY);
      for (const pid of childrenOf(worker.pid)) {
        expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).not.toContain(CANARY);
        const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
        expect(environment).toContain('PATH=');
        expect(environment).not.toMatch(/INFER_REDIS|127\.0\.0\.1/);
      }
    }
    expect(await worker.stop()).toBe(0);
    const said = outputs.map(({ stdout, stderr }) => stdout + stderr).join('\n') + worker.stderr;
    expect(said).toContain(`redis://127.0.0.1:${redis.port}`);
    expect(said).not.toContain(CANARY);
  });
});

function childrenOf(parent: number): string[] {
  const children = readdirSync('/proc').filter((pid) => {
    try {
      const stat = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
      return Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]) === parent;
    } catch {
      return false;
    }
  });
  expect(children.length).toBeGreaterThan(0);
  return children;
}
