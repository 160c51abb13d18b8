import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket, connect as tcp } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { InferError } from '../../../src/lib/core/errors.js';
import {
  type ConnectionEvent,
  type ConnectionSettings,
  closeClient,
  connect,
  connectLike,
  explain,
  resolveTarget,
} from '../../../src/lib/redis/connect.js';
import { memoryHeadroom, readInfo } from '../../../src/lib/redis/info.js';
import type { ConnectionRole, RedisClient } from '../../../src/lib/redis/types.js';
import { freePort } from '../../support/ports.js';
import { startRedis, useRedis } from '../../support/redis.js';

const SECRET = 's3cret-Passw0rd';
const ROLES: ConnectionRole[] = ['command', 'worker', 'blocking'];

const base: ConnectionSettings = {
  connectTimeoutMs: 1500,
  stateDir: '/nonexistent/infer-test',
  autostart: false,
  inContainer: false,
};

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** The failure of a first connection, which must come in time and show no password. */
async function failure(
  url: string,
  role: ConnectionRole = 'command',
  more: Partial<ConnectionSettings> = {},
): Promise<InferError> {
  const settings = { ...base, ...more, url };
  const start = performance.now();
  const error = await resolveTarget(settings)
    .then((target) => connect(target, role, settings))
    .then(
      (client) => closeClient(client).then(() => expect.fail('it connected')),
      (reason: InferError) => reason,
    );
  expect(performance.now() - start).toBeLessThan(15_000);
  expect(inspect(error, { depth: 9 })).not.toContain(SECRET);
  return error;
}

async function peer(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await delay(10);
  }
}

describe('a first connection that fails', () => {
  it.each(ROLES)('reports a refused connection, as %s', async (role) => {
    const port = await freePort();
    const error = await failure(`redis://:${SECRET}@127.0.0.1:${port}`, role);
    expect(error).toMatchObject({ code: 'REDIS_UNREACHABLE', exitCode: 69 });
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(error.hint).toContain('infer redis start');
  });

  it('explains a refusal inside a container', async () => {
    const error = await failure(`redis://localhost:${await freePort()}`, 'command', { inContainer: true });
    expect(error.hint).toContain('container itself');
  });

  it.each(ROLES)('reports a connection that is never answered, as %s', async (role) => {
    const port = await peer(() => undefined);
    const error = await failure(`redis://:${SECRET}@127.0.0.1:${port}`, role);
    expect(error).toMatchObject({ code: 'REDIS_TIMEOUT', exitCode: 69 });
  });

  it('recognises an HTTP server', async () => {
    const port = await peer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    });
    expect(await failure(`redis://:${SECRET}@127.0.0.1:${port}`)).toMatchObject({ code: 'REDIS_PROTOCOL' });
  });

  it('reports a peer that hangs up', async () => {
    const port = await peer((socket) => socket.destroy());
    expect(await failure(`redis://127.0.0.1:${port}`)).toMatchObject({ code: 'REDIS_UNREACHABLE' });
  });

  it('reports a socket that does not exist', async () => {
    const error = await failure('unix:///nonexistent/redis.sock');
    expect(error).toMatchObject({ code: 'REDIS_UNREACHABLE' });
    expect(error.message).toContain('no such socket');
  });

  it('reports a host that does not exist', async () => {
    expect(await failure('redis://no-such-host.invalid')).toMatchObject({ code: 'REDIS_UNREACHABLE' });
  });

  it('reports Sentinel and Cluster addresses where nothing listens', async () => {
    const port = await freePort();
    for (const url of [`redis-sentinel://127.0.0.1:${port}/main`, `redis-cluster://127.0.0.1:${port}`]) {
      const error = await failure(url);
      expect(error).toMatchObject({ code: 'REDIS_UNREACHABLE' });
      expect(error.message).toMatch(/connection refused|no sentinel answers/);
    }
  });

  it('never falls back from a named server to another', async () => {
    const error = await failure(`redis://127.0.0.1:${await freePort()}`, 'command', { autostart: true });
    expect(error.code).toBe('REDIS_UNREACHABLE');
  });

  it('stops waiting on abort', async () => {
    const settings = { ...base, url: `redis://127.0.0.1:${await freePort()}` };
    const stop = new AbortController();
    const events: ConnectionEvent[] = [];
    const attempt = connect(await resolveTarget(settings), 'worker', settings, {
      waitForRedis: true,
      signal: stop.signal,
      onState: (event) => {
        events.push(event);
        setTimeout(() => stop.abort(new Error('stopped')), 300);
      },
    });
    await expect(attempt).rejects.toThrow('stopped');
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ state: 'waiting', error: { code: 'REDIS_UNREACHABLE' } });
  });
});

describe('a server with a password', () => {
  const redis = useRedis({ password: SECRET, port: true });

  it.each(ROLES)('refuses a wrong or missing password, as %s', async (role) => {
    for (const secret of ['', ':wrong@', 'nobody:wrong@']) {
      const error = await failure(`redis://${secret}127.0.0.1:${redis.port}`, role);
      expect(error).toMatchObject({ code: 'REDIS_AUTH', exitCode: 77 });
      expect(error.message).not.toContain('wrong');
    }
  });

  it('makes a wrong password fail without waiting', async () => {
    const settings = { ...base, url: `redis://:wrong@127.0.0.1:${redis.port}` };
    const attempt = connect(await resolveTarget(settings), 'worker', settings, { waitForRedis: true });
    await expect(attempt).rejects.toMatchObject({ code: 'REDIS_AUTH' });
  });

  it('accepts a password from a file', async () => {
    const passwordFile = join(redis.dir, 'password');
    writeFileSync(passwordFile, `${SECRET}\n`);
    const settings = { ...base, url: `redis://127.0.0.1:${redis.port}`, passwordFile };
    const target = await resolveTarget(settings);
    expect(target.label).toBe(`redis://127.0.0.1:${redis.port}`);
    const client = await connect(target, 'command', settings);
    cleanUps.push(() => closeClient(client));
    expect(await client.ping()).toBe('PONG');
  });

  it('makes a missing or empty password file an error', async () => {
    await expect(
      resolveTarget({ ...base, url: redis.url, passwordFile: '/nonexistent' }),
    ).rejects.toMatchObject({
      code: 'REDIS_PASSWORD_FILE',
      exitCode: 78,
    });
  });

  it('names a denied command', async () => {
    const admin = await redis.client();
    await admin.call('ACL', 'SETUSER', 'poor', 'on', `>${SECRET}`, '~infer*', '+ping', '+hello', '+get');
    const settings = { ...base, url: `redis://poor:${SECRET}@127.0.0.1:${redis.port}` };
    const warn = vi.spyOn(console, 'warn');
    const client = await connect(await resolveTarget(settings), 'worker', settings);
    cleanUps.push(() => closeClient(client));
    const denied = explain(client, await client.set('infer', 'PAYLOAD').catch((error: unknown) => error));
    expect(denied).toMatchObject({ code: 'REDIS_PERMISSION', exitCode: 77 });
    expect(denied.message).toContain('SET');
    const keys = explain(client, await client.get('other').catch((error: unknown) => error));
    expect(keys.message).toContain('keys');
    expect(inspect([denied, keys], { depth: 9 })).not.toMatch(/PAYLOAD|s3cret/);
    // Without the INFO permission ioredis's ready check would warn on the console.
    expect(warn).not.toHaveBeenCalled();
  });
});

describe('a full server', () => {
  const redis = useRedis({ args: ['--maxmemory', '1mb', '--maxmemory-policy', 'noeviction'] });

  it('is reported without showing the payload or Lua', async () => {
    const client = await redis.client();
    const lua = "return redis.call('SET', KEYS[1], ARGV[1])";
    // A bare server needs about 1 MB itself, so this one may be refused already.
    await client.set('filler', Buffer.alloc(1 << 20)).catch(() => undefined);
    const results = [
      await client.set('k', 'PAYLOAD').catch((error: unknown) => error),
      await client.eval(lua, 1, 'k', 'PAYLOAD').catch((error: unknown) => error),
    ];
    for (const result of results) {
      const error = explain(client, result);
      expect(error).toMatchObject({ code: 'REDIS_FULL', exitCode: 75 });
      expect(inspect(error, { depth: 9 })).not.toMatch(/PAYLOAD|redis\.call/);
    }
    const facts = await readInfo(client);
    expect(facts).toMatchObject({
      flavour: 'redis',
      mode: 'standalone',
      role: 'master',
      policy: 'noeviction',
    });
    expect(facts).toMatchObject({
      maxMemory: 1 << 20,
      evictedKeys: 0,
      loading: false,
      pid: redis.pid,
      nodes: 1,
    });
    expect(memoryHeadroom(facts)).toBe(0);
  });
});

describe('a server that is still loading', () => {
  it('is REDIS_LOADING at the timeout, and usable once loaded', async () => {
    // 1 ms a key while loading: 3000 keys take 3 s.
    const redis = await startRedis();
    cleanUps.push(() => redis.stop());
    const client = await redis.client();
    const pipeline = client.pipeline();
    for (let i = 0; i < 3000; i++) pipeline.set(`k${i}`, 'v'.repeat(100));
    await pipeline.exec();
    await client.save();
    await redis.kill();
    const slow = spawn(
      'redis-server',
      ['--port', '0', '--unixsocket', redis.socket as string, '--dir', redis.dir].concat([
        '--key-load-delay',
        '1000',
        '--loading-process-events-interval-bytes',
        '1024',
      ]),
      { stdio: 'ignore' },
    );
    cleanUps.push(async () => {
      slow.kill('SIGKILL');
      if (slow.exitCode === null && slow.signalCode === null) await once(slow, 'exit');
    });
    const settings = redis.settings({ connectTimeoutMs: 800 });
    await until(async () => {
      const error = await connect(redis.target, 'command', settings).then(
        closeClient,
        (reason: InferError) => reason,
      );
      if (error === undefined) throw new Error('it loaded too quickly');
      return error.code === 'REDIS_LOADING' && error.exitCode === 75;
    }, 'REDIS_LOADING');
    const worker = await connect(redis.target, 'worker', settings, { waitForRedis: true });
    cleanUps.push(() => closeClient(worker));
    expect(await worker.dbsize()).toBe(3000);
  });
});

describe('an established connection', () => {
  const redis = useRedis({ port: true });

  it('survives a restart as worker or blocking connection, and reports it once', async () => {
    const events: ConnectionEvent[] = [];
    const worker = await connect(redis.target, 'worker', redis.settings(), {
      onState: (e) => events.push(e),
    });
    const blocking = await connectLike(worker, 'blocking');
    cleanUps.push(() => Promise.all([closeClient(worker), closeClient(blocking)]));
    const popped = blocking.blpop('list', 0);
    await until(async () => (await readInfo(worker)).blockedClients === 1, 'BLPOP is waiting');
    await redis.kill();
    await until(() => events.length > 0, 'the loss is told');
    // Queued while Redis is unreachable, not failed.
    const queued = worker.set('k', 'v');
    await delay(400);
    await redis.restart();
    expect(await queued).toBe('OK');
    expect(events).toMatchObject([{ state: 'lost' }, { state: 'back' }]);
    await worker.rpush('list', 'x');
    expect(await popped).toEqual(['list', 'x']);
  });

  it('is followed by further ones of one socket each, however slowly they are answered', async () => {
    let sockets = 0;
    let answer = (): void => undefined;
    const port = await peer((socket) => {
      sockets += 1;
      const server = tcp({ host: '127.0.0.1', port: redis.port as number });
      server.on('error', () => undefined);
      socket.on('close', () => server.destroy());
      socket.pipe(server);
      if (sockets === 1) server.pipe(socket);
      else answer = () => void server.pipe(socket);
    });
    const settings = { ...base, connectTimeoutMs: 30_000, url: `redis://127.0.0.1:${port}` };
    const first = await connect(await resolveTarget(settings), 'worker', settings);
    cleanUps.push(() => closeClient(first));
    const opened = sockets;
    const second = connectLike(first, 'blocking');
    await until(() => sockets > opened, 'a second socket');
    // Longer than the time after which a first connection looks at what the server speaks.
    await delay(800);
    expect(sockets).toBe(opened + 1);
    answer();
    const blocking = await second;
    cleanUps.push(() => closeClient(blocking));
    expect(await blocking.ping()).toBe('PONG');
  });

  it('fails a command within a second when Redis goes down', async () => {
    const client = await connect(redis.target, 'command', redis.settings());
    cleanUps.push(() => closeClient(client));
    await redis.kill();
    const start = performance.now();
    const error = explain(client, await client.get('k').catch((reason: unknown) => reason));
    expect(error).toMatchObject({ code: 'REDIS_UNREACHABLE' });
    expect(error.message).toContain('connection refused');
    expect(performance.now() - start).toBeLessThan(1000);
    await redis.restart();
  });

  it('fails a command when Redis stops answering', async () => {
    const client = await connect(redis.target, 'command', redis.settings());
    cleanUps.push(() => closeClient(client));
    process.kill(redis.pid, 'SIGSTOP');
    try {
      const start = performance.now();
      const error = explain(client, await client.get('k').catch((reason: unknown) => reason));
      expect(error).toMatchObject({ code: 'REDIS_TIMEOUT' });
      expect(performance.now() - start).toBeLessThan(30_000);
      await closeClient(client);
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
  });

  it('can wait for a Redis that starts later', async () => {
    await redis.kill();
    const events: ConnectionEvent[] = [];
    const attempt = connect(redis.target, 'worker', redis.settings(), {
      waitForRedis: true,
      onState: (event) => events.push(event),
    });
    await until(() => events.length === 1, 'waiting is told');
    await redis.restart();
    const client: RedisClient = await attempt;
    cleanUps.push(() => closeClient(client));
    expect(await client.ping()).toBe('PONG');
  });

  it('reports a read-only replica', async () => {
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(redis.port)] });
    cleanUps.push(() => replica.stop());
    const client = await replica.client();
    const error = explain(client, await client.set('k', 'v').catch((reason: unknown) => reason));
    expect(error).toMatchObject({ code: 'REDIS_READONLY', exitCode: 75 });
    expect((await readInfo(client)).role).toBe('replica');
  });

  it('reports a server without TLS', async () => {
    expect(await failure(`rediss://127.0.0.1:${redis.port}`)).toMatchObject({ code: 'REDIS_TLS' });
  });

  it('reports a database number out of range', async () => {
    expect(await failure(`redis://127.0.0.1:${redis.port}/99`)).toMatchObject({
      code: 'REDIS_DB',
      exitCode: 78,
    });
  });

  it('can be closed any number of times without throwing', async () => {
    const client = await connect(redis.target, 'command', redis.settings());
    await closeClient(client);
    await closeClient(client);
    expect(client.status).toBe('end');
  });
});

describe('TLS', () => {
  it('needs the CA of a private certificate, and the right host name', async () => {
    const redis = await startRedis();
    cleanUps.push(() => redis.stop());
    const [key, cert] = [join(redis.dir, 'key.pem'), join(redis.dir, 'cert.pem')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ].concat([
        '-keyout',
        key,
        '-out',
        cert,
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost',
      ]),
      { stdio: 'ignore' },
    );
    const admin = await redis.client();
    const port = await freePort();
    await admin.config('SET', 'tls-cert-file', cert, 'tls-key-file', key, 'tls-ca-cert-file', cert);
    await admin.config('SET', 'tls-auth-clients', 'no', 'tls-port', String(port));

    const url = `rediss://localhost:${port}`;
    const untrusted = await failure(url);
    expect(untrusted).toMatchObject({ code: 'REDIS_TLS' });
    expect(untrusted.message).toContain('not trusted');
    const otherName = await failure(`rediss://127.0.0.1:${port}`, 'worker', { tlsCaFile: cert });
    expect(otherName).toMatchObject({ code: 'REDIS_TLS' });
    expect(await failure(url, 'command', { tlsCaFile: '/nonexistent' })).toMatchObject({
      code: 'REDIS_CA_FILE',
    });
    expect(await failure(`redis://localhost:${port}`, 'command', { tlsCaFile: cert })).toMatchObject({
      code: 'REDIS_URL',
    });
    expect((await failure(`redis://localhost:${port}`)).exitCode).toBe(69);
    const settings = { ...base, url, tlsCaFile: cert };
    const client = await connect(await resolveTarget(settings), 'worker', settings);
    cleanUps.push(() => closeClient(client));
    expect(await client.ping()).toBe('PONG');
  });
});

describe('Sentinel', () => {
  const redis = useRedis({ port: true });

  it('finds the master by name, and reports an unknown name', async () => {
    const port = await freePort();
    const conf = join(redis.dir, 'sentinel.conf');
    writeFileSync(conf, `port ${port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 ${redis.port} 1\n`);
    const sentinel = spawn('redis-server', [conf, '--sentinel'], { stdio: 'ignore' });
    cleanUps.push(async () => {
      sentinel.kill('SIGKILL');
      await once(sentinel, 'exit');
    });
    const settings = { ...base, url: `redis-sentinel://127.0.0.1:${port}/main` };
    const client = await connect(await resolveTarget(settings), 'worker', settings, { waitForRedis: true });
    cleanUps.push(() => closeClient(client));
    expect((await readInfo(client)).pid).toBe(redis.pid);
    expect(await failure(`redis-sentinel://127.0.0.1:${port}/other`)).toMatchObject({
      code: 'REDIS_SENTINEL',
    });
  });
});

describe('Redis Cluster', () => {
  const node = useRedis({
    port: true,
    args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
  });

  it('connects through a start node, and a plain client is told to use it', async () => {
    const plain = await node.client();
    await plain.call('CLUSTER', 'ADDSLOTSRANGE', '0', '8191');
    await until(
      async () => String(await plain.call('CLUSTER', 'INFO')).includes('cluster_slots_ok:8192'),
      'slots',
    );
    const down = explain(plain, await plain.set('k', 'v').catch((reason: unknown) => reason));
    expect(down.code).toBe('REDIS_CLUSTER_DOWN');
    await plain.call('CLUSTER', 'ADDSLOTSRANGE', '8192', '16383');
    await until(
      async () => String(await plain.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
      'cluster is up',
    );

    const settings = { ...base, url: `redis://127.0.0.1:${node.port}`, cluster: true };
    const client = await connect(await resolveTarget(settings), 'worker', settings);
    cleanUps.push(() => closeClient(client));
    expect(client.isCluster).toBe(true);
    expect(await client.set('{infer:a}:k', 'v')).toBe('OK');
    expect(await readInfo(client)).toMatchObject({ mode: 'cluster', nodes: 1, pid: node.pid });
    const crossed = explain(client, await plain.mset('a', '1', 'b', '2').catch((reason: unknown) => reason));
    expect(crossed).toMatchObject({ code: 'REDIS_CROSSSLOT', exitCode: 70 });
  });
});
