import { createHash } from 'node:crypto';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AclRole } from '../../src/lib/redis/acl.js';
import { denials } from '../support/acl.js';
import { type Outcome, useInfer } from '../support/cli.js';
import { DIGIT_ROWS, ONE_DIGIT } from '../support/digits.js';
import { expectFailure } from '../support/failure.js';
import { useRedis } from '../support/redis.js';
import { startServer } from '../support/serve.js';

interface Made {
  user: string;
  setUser: string;
  aclFile: string;
  password: string | null;
  applied: boolean;
  persisted: boolean | null;
}

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const made = new Map<AclRole, string>();

/** The environment of a user created by the command, once for all tests. */
async function as(role: AclRole): Promise<Record<string, string>> {
  let password = made.get(role);
  if (password === undefined) {
    const run = await infer.run(['redis-tune', 'acl', '--role', role, '--apply', '--show', '--json']);
    expect(run.exitCode, run.stderr).toBe(0);
    password = run.json<Made>().password as string;
    made.set(role, password);
  }
  return {
    INFER_REDIS_URL: `redis://infer-${role}@127.0.0.1:${redis.port}`,
    INFER_REDIS_PASSWORD: password,
  };
}

const run = async (role: AclRole, ...args: string[]): Promise<Outcome> =>
  infer.run(args, { env: await as(role) });
/** What a role may not do fails with 77 and is logged by the server. */
async function mayNot(role: AclRole, ...args: string[]): Promise<void> {
  const outcome = await run(role, ...args);
  expect([args[0], outcome.exitCode, outcome.stderr]).toEqual([
    args[0],
    77,
    expect.stringMatching(/may not|refused/),
  ]);
  expect((await denials(redis)).length).toBeGreaterThan(0);
}

beforeEach(async () => {
  await denials(redis);
});

describe('each ACL role works without a denial, and can do nothing more:', () => {
  it('producer and worker process a job from submit to result', async () => {
    const worker = await infer.worker(['-Q', 'realtime,batch'], { env: await as('worker') });
    const done = await run('producer', 'submit', ONE_DIGIT, '--wait', '--json');
    expect([done.exitCode, done.json()]).toMatchObject([0, { state: 'completed' }]);
    expect(await worker.stop()).toBe(0);
    expect(await denials(redis)).toEqual([]);
  });

  it('gateway serves every route that steers nothing', async () => {
    const file = path.join(infer.dir, 'tokens.json');
    const limits = ['--rate', '1000', '--max-jobs', '500', '--max-waiting', '500'];
    const scopes = ['--scope', 'submit,read,metrics'];
    const made = await infer.run(['token', 'create', 'web', '--token-file', file, ...limits, ...scopes]);
    const headers = { authorization: `Bearer ${made.stdout.trim()}` };
    const worker = await infer.worker(['-Q', 'realtime,batch'], { env: await as('worker') });
    const server = await startServer(infer, ['--token-file', file], { env: await as('gateway') });
    const send = (method: string, where: string, body?: unknown, more: Record<string, string> = {}) =>
      fetch(server.url + where, {
        method,
        headers: { ...headers, ...more },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
    const answer = async (expected: number, ...request: Parameters<typeof send>) => {
      const got = await send(...request);
      const text = await got.text();
      expect([request[0], request[1], got.status, text]).toEqual([
        request[0],
        request[1],
        expected,
        expect.any(String),
      ]);
      return text;
    };
    const input = DIGIT_ROWS[0]?.pixels as number[];
    const job = { model: 'digits', input };
    await answer(200, 'POST', '/v1/jobs', job, { prefer: 'wait=30' });
    await answer(201, 'PUT', '/v1/jobs/order-1', job);
    await answer(200, 'GET', '/v1/jobs/order-1/result?wait=30s');
    await answer(200, 'PUT', '/v1/jobs/order-1', job);
    await answer(202, 'POST', '/v1/jobs', { ...job, queue: 'unserved', id: 'later-1', delay: '1h' });
    await answer(202, 'POST', '/v1/jobs', { ...job, queue: 'unserved', id: 'held-1', expires: '1h' });
    for (const id of ['later-1', 'held-1']) {
      await answer(200, 'GET', `/v1/jobs/${id}`);
      await answer(200, 'POST', `/v1/jobs/${id}/cancel`);
    }
    const rows = DIGIT_ROWS.slice(0, 3).map(({ pixels }) => JSON.stringify(pixels));
    const stream = { 'content-type': 'application/x-ndjson', prefer: 'wait=30' };
    const group = JSON.parse(await answer(200, 'POST', '/v1/jobs?model=digits', rows.join('\n'), stream));
    await answer(200, 'GET', `/v1/jobs/${group.id}/result`);
    expect(await answer(200, 'GET', `/v1/jobs/${group.id}/events`)).toContain('event: end');
    const { task_id } = JSON.parse(await answer(200, 'POST', '/predict?model=digits', input));
    await answer(200, 'GET', `/result/${task_id}`);
    const tensor = { name: 'pixels', datatype: 'FP32', shape: [1, input.length], data: input };
    await answer(200, 'POST', '/v2/models/digits/infer', { inputs: [tensor] });
    await answer(409, 'POST', '/v1/jobs/order-1/retry');
    const page = JSON.parse(await answer(200, 'GET', '/v1/jobs?state=completed,cancelled&limit=1'));
    await answer(200, 'GET', `/v1/jobs?state=completed,cancelled&limit=1&cursor=${page.next}`);
    for (const id of ['order-1', 'held-1', group.id]) await answer(204, 'DELETE', `/v1/jobs/${id}`);
    for (const where of [
      ...['/v1/queues', '/v1/workers', '/v1/stats', '/v1/autoscaler', '/v1/models', '/v2/models/stats'],
      ...['/readyz', '/metrics', '/autoscale/realtime', '/examples/digits', '/v2/health/ready'],
    ]) {
      await answer(200, 'GET', where);
    }
    expect(await server.stop()).toBe(0);
    expect(await worker.stop()).toBe(0);
    expect(await denials(redis)).toEqual([]);
  });

  it('producer, gateway and worker cannot tune', async () => {
    for (const role of ['producer', 'gateway', 'worker'] as const)
      await mayNot(role, 'redis-tune', 'apply', '--yes');
  });

  it('inspector can read, but cannot submit, tune or create users', async () => {
    expect((await run('inspector', 'inspect', '--json')).exitCode).toBe(0);
    expect((await run('inspector', 'models', '--json')).exitCode).toBe(0);
    expect(await denials(redis)).toEqual([]);
    await mayNot('inspector', 'submit', ONE_DIGIT);
    await mayNot('inspector', 'redis-tune', 'apply', '--maxmemory', '100mb', '--yes');
    await mayNot('inspector', 'redis-tune', 'acl', '--role', 'admin', '--user', 'me', '--apply', '--show');
    // It sees what INFO reports: a warning, like without a limit and a file, and no job sizes.
    const audit = await run('inspector', 'redis-tune', '--json');
    expect([audit.exitCode, audit.json()]).toMatchObject([
      0,
      { nodes: [{ refused: expect.stringMatching(/^NOPERM/) }] },
    ]);
  });

  it('admin can audit, tune and roll back, but cannot create users or touch other keys', async () => {
    await run('producer', 'submit', ONE_DIGIT, '-Q', 'unserved');
    const audit = await run('admin', 'redis-tune', '--json');
    expect([audit.exitCode, audit.json()]).toMatchObject([
      0,
      {
        nodes: [{ refused: null, keyspace: { keys: expect.any(Number) } }],
        jobs: { kinds: expect.arrayContaining([expect.objectContaining({ kind: 'waiting', jobs: 1 })]) },
      },
    ]);
    expect((await run('admin', 'redis-tune', 'apply', '--maxmemory', '100mb', '--yes')).exitCode).toBe(0);
    expect((await run('admin', 'redis-tune')).exitCode).toBe(0);
    expect((await run('admin', 'redis-tune', 'rollback', '--yes')).exitCode).toBe(0);
    expect((await run('admin', 'inspect')).exitCode).toBe(0);
    expect(await denials(redis)).toEqual([]);
    await mayNot('admin', 'redis-tune', 'acl', '--role', 'admin', '--user', 'me', '--apply', '--show');
    expect((await run('admin', '--prefix', 'other', 'inspect')).exitCode).not.toBe(0);
  });
});

describe('the ACL SETUSER line of redis-tune acl', () => {
  const acl = (...args: string[]): Promise<Outcome> => infer.run(['redis-tune', 'acl', ...args]);

  it('needs no Redis, and contains no password in a pipe', async () => {
    const plain = await infer.run(['redis-tune', 'acl', '--role', 'producer'], { redis: null });
    expect(plain.stdout).toMatch(
      /^ACL SETUSER infer-producer reset on >CHANGE-ME resetchannels %R~\{infer:\*\}:\* .*\n$/,
    );
    const other = await acl('--role', 'worker', '--prefix', 'team', '--format', 'users.acl');
    expect(other.stdout).toMatch(/^user infer-worker on >CHANGE-ME resetchannels ~\{team:\*\}:\* .*\n$/);
  });

  it('works as printed, and its password is shown once and stored nowhere', async () => {
    const [line, secret] = (await acl('--role', 'producer', '--user', 'typed', '--show')).stdout.split('\n');
    const password = secret?.split('\t')[1] as string;
    expect(password).toMatch(/^[\w-]{32}$/);
    expect(line).not.toContain(password);
    const client = await redis.client();
    await client.call('ACL', ...(line as string).split(' ').slice(1));
    const url = `redis://typed:${password}@127.0.0.1:${redis.port}`;
    expect((await infer.run(['submit', ONE_DIGIT], { redis: url })).exitCode).toBe(0);
    const again = await acl('--role', 'producer', '--show', '--json');
    expect(again.json<Made>().password).not.toBe(password);
  });

  it('takes a password from standard input and does not echo it', async () => {
    const args = [
      'redis-tune',
      'acl',
      '--role',
      'inspector',
      '--user',
      'given',
      '--password-stdin',
      '--apply',
    ];
    const stdin = 'correct horse battery\nsecond line\n';
    const done = await infer.run([...args, '--json'], { stdin });
    expect(done.json<Made>()).toMatchObject({ applied: true, password: null, persisted: null });
    const hash = createHash('sha256').update('correct horse battery').digest('hex');
    expect(done.json<Made>().setUser).toContain(` #${hash} `);
    expect(done.stdout + done.stderr).not.toContain('correct horse');
    expect(done.stderr).toMatch(/lost when Redis restarts/);
    const url = `redis://given:${encodeURIComponent('correct horse battery')}@127.0.0.1:${redis.port}`;
    expect((await infer.run(['inspect'], { redis: url })).exitCode).toBe(0);
    const short = await infer.run(args, { stdin: 'short\n' });
    expect([short.exitCode, short.stdout]).toEqual([2, '']);
  });

  it('replaces a user only on request, and reports when it cannot be saved', async () => {
    const words = ['--role', 'producer', '--user', 'twice', '--apply', '--show'];
    expect((await acl(...words)).exitCode).toBe(0);
    const again = await acl(...words);
    expect([again.exitCode, again.stdout]).toEqual([1, '']);
    expect(again.stderr).toContain('--replace');
    const replaced = await acl(...words, '--replace', '--persist', '--json');
    expect([replaced.exitCode, replaced.json()]).toMatchObject([3, { applied: true, persisted: false }]);
    expect(replaced.stderr).toMatch(/running without a config file/);
    const [entry] = await (await redis.client()).xrevrange('{infer}:audit', '+', '-', 'COUNT', 1);
    expect(entry?.[1].join(' ')).toMatch(/redis-tune acl target twice detail role producer, replaced/);
  });

  it('is not applied when the password would be shown nowhere, nor for the default user', async () => {
    const usage = { exitCode: 2, message: /./ };
    await expectFailure(infer, ['redis-tune', 'acl', '--role', 'worker', '--apply'], {
      ...usage,
      code: 'ACL_PASSWORD',
      fix: /--show/,
    });
    await expectFailure(infer, ['redis-tune', 'acl', '--role', 'worker', '--user', 'default'], {
      ...usage,
      code: 'ACL_USER',
      fix: /infer-worker/,
    });
    await expectFailure(infer, ['redis-tune', 'acl', '--role', 'worker', '--user', 'a b'], {
      ...usage,
      code: 'ACL_USER',
      fix: /letters/,
    });
  });
});
