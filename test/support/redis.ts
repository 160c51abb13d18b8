import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { type ConnectionSettings, closeClient, connect } from '../../src/lib/redis/connect.js';
import { ask, type ProbeAddress } from '../../src/lib/redis/probe.js';
import type { ConnectionRole, RedisClient, RedisTarget } from '../../src/lib/redis/types.js';
import { freePort } from './ports.js';

export interface TestRedisOptions {
  /** More server arguments, such as `['--maxmemory', '1mb']`. */
  args?: string[];
  password?: string;
  /** A configuration file; the arguments here override it. */
  configFile?: string;
  /** Listen on a free port of 127.0.0.1 instead of a unix socket. */
  port?: boolean;
}

export interface TestRedis {
  readonly url: string;
  readonly target: RedisTarget;
  readonly socket: string | undefined;
  readonly port: number | undefined;
  readonly dir: string;
  readonly pid: number;
  /** Stops the server and removes its directory and every client that `client` created. */
  stop(): Promise<void>;
  /** SIGKILL; the address and directory remain for `restart`. */
  kill(): Promise<void>;
  /** Stops it gracefully if it runs, and starts it again at the same address. */
  restart(): Promise<void>;
  /** A connection that `stop` closes. */
  client(role?: ConnectionRole): Promise<RedisClient>;
  settings(more?: Partial<ConnectionSettings>): ConnectionSettings;
}

const START_DEADLINE_MS = 60_000;

/** Starts a private redis-server and waits for its PONG; `stop` it, or use `useRedis`. */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'infer-test-'));
  try {
    return await startIn(dir, options);
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

/** A server for all tests of a `describe` or file; the handle is usable inside tests and hooks. */
export function useRedis(options: TestRedisOptions = {}): TestRedis {
  let server: TestRedis | undefined;
  beforeAll(async () => {
    server = await startRedis(options);
  });
  afterAll(async () => {
    await server?.stop();
  });
  return new Proxy({} as TestRedis, {
    get: (_, name) => {
      if (server === undefined) throw new Error('useRedis: the server runs inside tests and hooks only');
      return Reflect.get(server, name, server);
    },
  });
}

async function startIn(dir: string, options: TestRedisOptions): Promise<TestRedis> {
  const port = options.port === true ? await freePort() : undefined;
  const socket = port === undefined ? join(dir, 'redis.sock') : undefined;
  const address: ProbeAddress =
    port === undefined ? { path: join(dir, 'redis.sock') } : { host: '127.0.0.1', port };
  const secret = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`;
  const label = port === undefined ? `unix://${socket}` : `redis://127.0.0.1:${port}`;
  const url = label.replace('://', `://${secret}`);
  const args = [
    ...(options.configFile === undefined ? [] : [options.configFile]),
    ...[
      '--port',
      String(port ?? 0),
      '--bind',
      '127.0.0.1',
      '--dir',
      dir,
      '--save',
      '',
      '--loglevel',
      'warning',
    ],
    ...(socket === undefined ? [] : ['--unixsocket', socket]),
    ...(options.password === undefined ? [] : ['--requirepass', options.password]),
    ...(options.args ?? []),
  ];
  const clients = new Set<RedisClient>();
  const target: RedisTarget = { url, label, source: 'flag' };
  let child = await launch(args, address);

  const settings: TestRedis['settings'] = (more = {}) => ({
    url,
    connectTimeoutMs: 3000,
    stateDir: join(dir, 'state'),
    autostart: false,
    ...more,
  });
  const kill = (): Promise<void> => end(child, 'SIGKILL');
  return {
    url,
    target,
    socket,
    port,
    dir,
    get pid() {
      return child.pid as number;
    },
    kill,
    restart: async () => {
      await end(child, 'SIGTERM');
      child = await launch(args, address);
    },
    stop: async () => {
      await Promise.all([...clients].map((client) => closeClient(client, 200)));
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
    client: async (role = 'command') => {
      const client = await connect(target, role, settings());
      clients.add(client);
      return client;
    },
    settings,
  };
}

/** Servers that a test has ended. */
const ending = new WeakSet<ChildProcess>();

async function launch(args: string[], address: ProbeAddress): Promise<ChildProcess> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2000);
    });
  }
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  // A test runner that ends early (a failed hook, Ctrl-C) must leave no server behind.
  const cleanUp = (): void => {
    ending.add(child);
    child.kill('SIGKILL');
  };
  process.once('exit', cleanUp);
  child.once('exit', (code, signal) => {
    process.off('exit', cleanUp);
    // The tests that meet a dead server say only that their connections are closed.
    if (!ending.has(child)) console.error(`redis-server ended by itself (${signal ?? code}): ${output}`);
  });

  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const answer = await ask(address, 'PING', 1000);
    // NOAUTH and LOADING are signs of life too.
    if (answer.kind === 'reply' || answer.kind === 'error') return child;
    if (failure !== undefined || child.exitCode !== null || performance.now() > deadline) {
      ending.add(child);
      child.kill('SIGKILL');
      throw new Error(`redis-server did not start: ${failure?.message ?? output}`);
    }
    await delay(5);
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = once(child, 'exit');
  ending.add(child);
  child.kill(signal);
  await gone;
}
