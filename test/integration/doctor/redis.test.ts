import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { resultKey } from '../../../src/lib/queue/keys.js';
import { aclRules } from '../../../src/lib/redis/acl.js';
import { denials, setUser } from '../../support/acl.js';
import { until } from '../../support/cli.js';
import { freePort } from '../../support/ports.js';
import { startRedis, type TestRedis, type TestRedisOptions, useRedis } from '../../support/redis.js';
import { emptyDir, examine } from './doctor-kit.js';

const started: TestRedis[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()));
});

/** A server for one test, misconfigured by its arguments. */
async function redisWith(args: string[], more: TestRedisOptions = {}): Promise<TestRedis> {
  const server = await startRedis({ port: true, args, ...more });
  started.push(server);
  return server;
}

const at = (server: { url: string }) => ({ INFER_REDIS_URL: server.url });

describe('the doctor on an unusable Redis', () => {
  const root = emptyDir();

  it('reports that none runs', async () => {
    const port = await freePort();
    const { of, verdict } = await examine({ INFER_REDIS_URL: `redis://localhost:${port}` }, [
      'redis',
      'queues',
    ]);
    expect(of('redis-reach')).toMatchObject({
      status: 'fail',
      found: `no Redis answers at localhost:${port}: connection refused`,
      fix: expect.stringContaining('infer redis start'),
    });
    // One failure, not fifteen: checks that need it are skipped with the reason.
    expect(of('redis-memory')).toMatchObject({ status: 'skip', found: 'there is no Redis to ask' });
    expect(of('queue-served').status).toBe('skip');
    expect(verdict.counts.fail).toBe(1);
    expect(verdict.ready).toEqual([]);
  });

  it.each([
    ['.dockerenv', ''],
    ['run/.containerenv', ''],
    ['proc/1/cgroup', '0::/kubepods/besteffort/pod1\n'],
  ])('explains localhost inside a container (%s)', async (file, text) => {
    const inside = join(root, file.replaceAll('/', '-'));
    mkdirSync(join(inside, file, '..'), { recursive: true });
    writeFileSync(join(inside, file), text);
    const env = { INFER_REDIS_URL: `redis://localhost:${await freePort()}` };
    const { of } = await examine(env, ['redis-reach'], { machine: { root: inside } });
    expect(of('redis-reach').fix).toContain('inside a container, localhost is the container itself');
    const kubernetes = await examine({ ...env, KUBERNETES_SERVICE_HOST: '10.0.0.1' }, ['redis-reach']);
    expect(kubernetes.of('redis-reach').fix).toContain('inside a container');
    expect((await examine(env, ['redis-reach'])).of('redis-reach').fix).not.toContain('container');
  });

  it('reports a wrong or missing password', async () => {
    const server = await redisWith([], { password: 'right' });
    const wrong = { INFER_REDIS_URL: `redis://:wr0ng-secret@127.0.0.1:${server.port}` };
    for (const env of [wrong, { INFER_REDIS_URL: `redis://127.0.0.1:${server.port}` }]) {
      const { of } = await examine(env, ['redis-reach']);
      expect(of('redis-reach')).toMatchObject({
        status: 'fail',
        fix: expect.stringContaining('INFER_REDIS_PASSWORD_FILE'),
      });
      expect(JSON.stringify(of('redis-reach'))).not.toContain('wr0ng');
    }
  });

  it('reports a hanging Redis within seconds, and no other check waits for it', async () => {
    const server = await redisWith([]);
    process.kill(server.pid, 'SIGSTOP');
    try {
      const { of, ms, verdict } = await examine(at(server), ['redis', 'queues', 'workers']);
      expect(of('redis-reach')).toMatchObject({
        status: 'fail',
        found: expect.stringContaining('does not answer'),
      });
      expect(verdict.counts.fail).toBe(1);
      expect(ms).toBeLessThan(20_000);
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
  });

  it('ends each check at its limit when Redis hangs after the connection', async () => {
    const network = createServer((client) => {
      // Passes the handshake and nothing after it.
      const upstream = connect(Number(server.port), '127.0.0.1');
      let hangs = false;
      client.on('error', () => undefined).on('close', () => upstream.destroy());
      client.on('data', (bytes) => {
        // From then on: a later reply would be taken for one of a command that got none.
        hangs ||= !/ping|client|info/i.test(bytes.toString('latin1'));
        if (!hangs) upstream.write(bytes);
      });
      upstream.on('error', () => undefined).pipe(client);
    });
    const server = await redisWith([]);
    await new Promise<void>((resolve) => network.listen(0, '127.0.0.1', resolve));
    const { port } = network.address() as { port: number };
    const env = { INFER_REDIS_URL: `redis://127.0.0.1:${port}` };
    const { of, ms, verdict } = await examine(env, ['redis', 'queues'], { limitMs: 1500 });
    for (const id of ['redis-reach', 'queue-served']) {
      expect(of(id)).toMatchObject({ status: 'fail', found: 'no answer in 1.5 s', timedOut: true });
    }
    expect(verdict.ready).toEqual([]);
    expect(ms).toBeLessThan(20_000);
    await new Promise((resolve) => network.close(resolve));
  });

  it('reports a version that is too old', async () => {
    const server = await redisWith([]);
    // The real server, with its version in INFO replaced by another of the same length.
    const disguise = createServer((client) => {
      const upstream = connect(Number(server.port), '127.0.0.1');
      client.on('error', () => undefined).pipe(upstream);
      upstream.on('error', () => undefined);
      upstream.on('data', (bytes) => {
        const text = bytes.toString('latin1');
        const old = text.replace(
          /redis_version:([\d.]+)/,
          (_, version: string) =>
            `redis_version:${'6.0'.padEnd(version.length, '.1').slice(0, version.length)}`,
        );
        client.write(Buffer.from(old, 'latin1'));
      });
      client.on('close', () => upstream.destroy());
    });
    await new Promise<void>((resolve) => disguise.listen(0, '127.0.0.1', resolve));
    const { port } = disguise.address() as { port: number };
    const { of } = await examine({ INFER_REDIS_URL: `redis://127.0.0.1:${port}` }, ['redis']);
    expect(of('redis-version')).toMatchObject({
      status: 'fail',
      found: expect.stringMatching(/^Redis 6\.0\S* is too old: infer needs 6\.2/),
    });
    await new Promise((resolve) => disguise.close(resolve));
  });
});

describe('the doctor on Redis permissions', () => {
  const redis = useRedis({ port: true });
  const env = (user: string) => ({ INFER_REDIS_URL: `redis://${user}:pw@127.0.0.1:${redis.port}` });
  const rights = async (user: string, rules: readonly string[]) => {
    await setUser(redis, user, 'pw', rules);
    return (await examine(env(user), ['redis'])).of('redis-rights');
  };

  it.each([
    ['producer', 'warn', /^user producer may submit, not serve: no .*ZPOPMIN/],
    ['worker', 'warn', /^user worker may serve, not submit: no .*HMSET/],
    ['inspector', 'warn', /^user inspector may only look: it may not run EVAL$/],
  ] as const)('tells what a %s may do', async (role, status, found) => {
    const finding = await rights(role, aclRules(role, 'infer'));
    expect(finding).toMatchObject({ status, found: expect.stringMatching(found) });
  });

  it('passes with all of them', async () => {
    const both = [...aclRules('producer', 'infer'), ...aclRules('worker', 'infer').slice(4)];
    expect(await rights('both', both)).toMatchObject({ status: 'ok' });
  });

  it('names a missing command and the ACL rule that grants it', async () => {
    const finding = await rights('poor', [...aclRules('producer', 'infer'), '-zadd', '-xadd']);
    expect(finding).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('user poor may not run XADD, ZADD, needed to submit'),
      fix: 'ACL SETUSER poor +xadd +zadd',
      blocks: ['submit', 'results', 'CPU workers', 'GPU workers'],
    });
  });

  it("fails without access to infer's keys", async () => {
    const rules = ['resetchannels', '~other:*', '+@all', '-@dangerous', '+info'];
    expect(await rights('foreign', rules)).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('may not use these keys'),
    });
  });

  it('checks them without using them: nothing is refused, nothing written', async () => {
    const client = await redis.client();
    await client.flushall();
    await denials(redis);
    await rights('producer', aclRules('producer', 'infer'));
    expect(await client.dbsize()).toBe(0);
    const refused = (await denials(redis)).filter((line) => !/: (time|memory|scan|config)/.test(line));
    expect(refused).toEqual([]);
  });

  it('skips checks that an inspector may not run, without failing them', async () => {
    await setUser(redis, 'inspector', 'pw', [...aclRules('inspector', 'infer'), '-time']);
    const { of, verdict } = await examine(env('inspector'), ['redis', 'queues', 'workers']);
    expect(of('redis-clock')).toMatchObject({
      status: 'skip',
      found: expect.stringContaining('may not run TIME'),
    });
    expect(of('redis-results').status).toBe('skip');
    expect(of('queue-served').status).toBe('ok');
    expect(verdict.ok).toBe(true);
  });
});

describe('the doctor on a misconfigured Redis', () => {
  it('warns about no memory limit and no append-only file', async () => {
    const { of } = await examine(at(await redisWith([])), ['redis']);
    expect(of('redis-memory')).toMatchObject({ status: 'warn', fix: 'infer redis-tune apply' });
    expect(of('redis-persistence')).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('the append-only file is off'),
    });
    expect(of('redis-policy').status).toBe('ok');
    expect(of('redis-rights')).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('user default'),
    });
    expect(of('redis-role').found).toBe('primary, no replica');
    expect(of('redis-clock').status).toBe('ok');
  });

  it('finds nothing wrong with a well configured one', async () => {
    const server = await redisWith(['--appendonly', 'yes', '--maxmemory', '1gb']);
    const { verdict, of, results } = await examine(at(server), ['redis']);
    // Latency may be high on a busy machine.
    const amiss = results.filter((result) => result.status !== 'ok' && result.status !== 'skip');
    expect(amiss.filter((result) => result.id !== 'redis-reach')).toEqual([]);
    expect(of('redis-persistence').found).toBe('append-only file, synced everysec');
    expect(verdict.ready).toEqual(['submit', 'results', 'inspect']);
  });

  it('fails an evicting policy, and reports evicted keys', async () => {
    const server = await redisWith(['--maxmemory', '4mb', '--maxmemory-policy', 'allkeys-lru']);
    expect((await examine(at(server), ['redis'])).of('redis-policy')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('maxmemory-policy is allkeys-lru'),
      fix: 'infer redis-tune apply',
    });
    const client = await server.client();
    for (let key = 0; key < 80; key++) await client.set(`k${key}`, Buffer.alloc(100_000));
    expect((await examine(at(server), ['redis'])).of('redis-policy').found).toMatch(
      /^\d+ keys were dropped .*are lost/,
    );
  });

  it('reports memory nearly full of results', async () => {
    const server = await redisWith(['--maxmemory', '24mb']);
    const client = await server.client();
    const fill = async (from: number, to: number) => {
      for (let job = from; job < to; job++) {
        await client.set(resultKey('{infer:realtime}', `j${job}`), Buffer.alloc(50_000), 'EX', 3600);
      }
    };
    await fill(0, 200);
    const filling = await examine(at(server), ['redis']);
    expect(filling.of('redis-results')).toMatchObject({
      status: 'warn',
      found: expect.stringMatching(/^results take \S+ MB, (99|100) % of what is stored, \d+ % of the limit$/),
      fix: expect.stringContaining('INFER_RESULT_TTL'),
    });
    await fill(200, 400);
    const full = await examine(at(server), ['redis']);
    expect(full.of('redis-memory')).toMatchObject({ status: 'fail', blocks: ['submit'] });
    expect(full.verdict.ready).toEqual(['results', 'inspect']);
  });

  it('reports failing snapshots (MISCONF)', async () => {
    const server = await redisWith(['--save', '3600 1']);
    // A non-empty directory in the snapshot's place, so that it cannot be renamed there.
    mkdirSync(join(server.dir, 'dump.rdb', 'in-the-way'), { recursive: true });
    const client = await server.client();
    await client.set('k', 'v');
    await client.bgsave();
    await until(async () =>
      (await client.info('persistence')).includes('rdb_last_bgsave_status:err') ? true : undefined,
    );
    // It is true: writes are refused.
    await expect(client.set('k', 'v')).rejects.toThrow(/MISCONF/);
    const { of, verdict } = await examine(at(server), ['redis']);
    expect(of('redis-persistence')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('Redis refuses changes (MISCONF)'),
      blocks: ['submit', 'CPU workers', 'GPU workers'],
    });
    expect(verdict.notReady[0]?.what).toEqual(['submit', 'CPU workers', 'GPU workers']);
  });

  it('fails a replica, and counts it on its primary', async () => {
    const primary = await redisWith(['--repl-diskless-sync-delay', '0']);
    const replica = await redisWith(['--replicaof', `127.0.0.1 ${primary.port}`]);
    const client = await primary.client();
    await until(async () =>
      (await client.info('replication')).includes('connected_slaves:1') ? true : undefined,
    );
    expect((await examine(at(replica), ['redis'])).of('redis-role')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining(`a replica of 127.0.0.1:${primary.port}`),
      fix: expect.stringContaining('primary'),
    });
    expect((await examine(at(primary), ['redis'])).of('redis-role')).toMatchObject({
      status: 'warn',
      found: expect.stringMatching(/^primary, 1 replica; min-replicas-to-write is off/),
      fix: expect.stringContaining('redis-tune'),
    });
    await client.config('SET', 'min-replicas-to-write', '1');
    await until(async () =>
      (await client.info('replication')).includes('min_slaves_good_slaves:1') ? true : undefined,
    );
    expect((await examine(at(primary), ['redis'])).of('redis-role')).toMatchObject({
      status: 'ok',
      found: 'primary, 1 replica',
    });
  });

  it('fails too few replicas for writes', async () => {
    const server = await redisWith(['--min-replicas-to-write', '1']);
    await expect((await server.client()).set('k', 'v')).rejects.toThrow(/NOREPLICAS/);
    expect((await examine(at(server), ['redis'])).of('redis-role')).toMatchObject({ status: 'fail' });
  });

  it('warns about a clock that is off', async () => {
    const server = await redisWith([]);
    const clock = (offset: number) => ({ clock: { now: () => Date.now() + offset } });
    expect((await examine(at(server), ['redis-clock'], clock(4000))).of('redis-clock')).toMatchObject({
      status: 'warn',
      found: expect.stringMatching(/^the clock of this machine is (3\.9|4) s ahead of Redis's clock/),
    });
    expect((await examine(at(server), ['redis-clock'], clock(-60_000))).of('redis-clock').status).toBe(
      'fail',
    );
  });

  it('warns about connections that run out', async () => {
    const server = await redisWith(['--maxclients', '12']);
    await Promise.all(Array.from({ length: 9 }, () => server.client()));
    expect((await examine(at(server), ['redis'])).of('redis-clients')).toMatchObject({ status: 'warn' });
  });
});

describe('the doctor on a Redis for results', () => {
  const redis = useRedis({ port: true });
  it.each([
    ['answers', async () => redis.url, 'ok', undefined],
    ['does not run', async () => `redis://127.0.0.1:${await freePort()}`, 'fail', /connection refused/],
  ] as const)('when it %s', async (_, url, status, found) => {
    const { of } = await examine({ ...at(redis), INFER_RESULT_URL: await url() }, ['results-redis']);
    expect(of('results-redis').status).toBe(status);
    if (found !== undefined) expect(of('results-redis').found).toMatch(found);
  });
});

afterAll(() => expect(started).toEqual([]));
