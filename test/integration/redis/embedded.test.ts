import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive } from '../../../src/lib/core/process-alive.js';
import { closeClient, connect, embeddedTargetOf, resolveTarget } from '../../../src/lib/redis/connect.js';
import {
  embeddedPaths,
  findRedisServer,
  startEmbedded,
  statusEmbedded,
  stopEmbedded,
} from '../../../src/lib/redis/embedded.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { processTable } from '../../support/process-table.js';

const run = promisify(execFile);
let stateDir: string;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'infer-state-'));
});

afterEach(async () => {
  const { dir, socket } = embeddedPaths(stateDir);
  for (const pid of serversIn(dir)) {
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid), 'the server is gone');
  }
  rmSync(stateDir, { recursive: true, force: true });
  if (!socket.startsWith(stateDir)) rmSync(dirname(socket), { recursive: true, force: true });
});

/** Every redis-server with this working directory: how many servers share one data directory. */
function serversIn(dir: string): number[] {
  return processTable()
    .filter(({ name }) => name.includes('redis'))
    .map(({ pid }) => pid)
    .filter((pid) => {
      try {
        return isAlive(pid) && cwdOf(pid) === dir;
      } catch {
        return false;
      }
    });
}

function endedPid(): string {
  return execFileSync('/bin/sh', ['-c', 'echo $$'], { encoding: 'utf8' }).trim();
}

function cwdOf(pid: number): string {
  return execFileSync('readlink', [`/proc/${pid}/cwd`], { encoding: 'utf8' }).trim();
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await delay(10);
  }
}

async function withClient<T>(use: (client: RedisClient) => Promise<T>): Promise<T> {
  const settings = { connectTimeoutMs: 3000, stateDir, autostart: false };
  const client = await connect(embeddedTargetOf(stateDir), 'command', settings);
  try {
    return await use(client);
  } finally {
    await closeClient(client);
  }
}

describe("start, status and stop of infer's own Redis", () => {
  it('keep its data, and make it private without a network port', async () => {
    expect(await statusEmbedded(stateDir)).toMatchObject({ running: false });
    const first = await startEmbedded(stateDir);
    expect(first.alreadyRunning).toBe(false);
    expect(await startEmbedded(stateDir)).toEqual({ ...first, alreadyRunning: true });
    const { dir } = embeddedPaths(stateDir);
    expect(lstatSync(dir).mode & 0o777).toBe(0o700);
    expect(lstatSync(first.socket).mode & 0o777).toBe(0o700);
    // In its own session, since the terminal's Ctrl-C goes to the foreground group only.
    expect(processTable().find(({ pid }) => pid === first.pid)?.group).toBe(first.pid);
    expect(listeningPorts(first.pid)).toEqual([]);
    await withClient(async (client) => {
      await client.set('k', 'v');
      const config = await client.config('GET', 'maxmemory*', 'append*', 'save', 'port');
      const pairs = JSON.stringify(config);
      expect(pairs).toMatch(/"maxmemory-policy","noeviction"/);
      expect(pairs).toMatch(/"appendonly","yes"/);
      expect(pairs).toMatch(/"appendfsync","everysec"/);
      expect(pairs).toMatch(/"save",""/);
      expect(pairs).toMatch(/"port","0"/);
    });
    expect(await statusEmbedded(stateDir)).toMatchObject({ running: true, pid: first.pid, loading: false });

    expect(await stopEmbedded(stateDir)).toEqual({ stopped: true, pid: first.pid });
    expect(isAlive(first.pid)).toBe(false);
    expect(existsSync(first.socket)).toBe(false);
    expect(await stopEmbedded(stateDir)).toEqual({ stopped: false });

    const second = await startEmbedded(stateDir);
    expect(second.pid).not.toBe(first.pid);
    expect(await withClient((client) => client.get('k'))).toBe('v');
  });

  it('find it without a URL, and start it only on request', async (context) => {
    const settings = { connectTimeoutMs: 3000, stateDir, autostart: false };
    // A developer's own Redis on the default port comes first, by design.
    const target = await resolveTarget(settings).catch((error: unknown) => error);
    if ((target as { source?: string }).source === 'default')
      context.skip('a Redis runs on the default port');
    expect(target).toMatchObject({
      code: 'REDIS_UNREACHABLE',
      hint: expect.stringContaining('infer redis start'),
    });
    const started = await resolveTarget({ ...settings, autostart: true });
    expect(started).toEqual({ ...embeddedTargetOf(stateDir), started: true });
    expect(await resolveTarget(settings)).toEqual(embeddedTargetOf(stateDir));
  });

  it('keep all acknowledged writes through kill -9', async () => {
    const { pid } = await startEmbedded(stateDir);
    await withClient((client) => client.set('k', 'v'));
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid), 'killed');
    const { socket, pidFile } = embeddedPaths(stateDir);
    expect(existsSync(socket) && existsSync(pidFile)).toBe(true);
    expect(await statusEmbedded(stateDir)).toMatchObject({ running: false });
    expect((await startEmbedded(stateDir)).alreadyRunning).toBe(false);
    expect(await withClient((client) => client.get('k'))).toBe('v');
  });

  it('never take a reused pid for the server, nor stop that process', async () => {
    const { dir, pidFile } = embeddedPaths(stateDir);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    writeFileSync(pidFile, `${process.pid}\n`);
    expect(await stopEmbedded(stateDir)).toEqual({ stopped: false });
    writeFileSync(pidFile, `${process.pid}\n`);
    const { pid } = await startEmbedded(stateDir);
    expect(pid).not.toBe(process.pid);
  });

  it('never start a second server on the data of one whose socket was deleted', async () => {
    const { pid, socket } = await startEmbedded(stateDir);
    unlinkSync(socket);
    process.kill(pid, 'SIGSTOP');
    expect(await stopEmbedded(stateDir)).toEqual({ stopped: true, pid });
    expect(isAlive(pid)).toBe(false);
  });
});

describe('many commands at once', () => {
  it('start exactly one server from 8 processes', async () => {
    const script = join(stateDir, 'start.mjs');
    const source = fileURLToPath(new URL('../../../src/lib/redis/embedded.ts', import.meta.url));
    buildSync({
      stdin: {
        contents: `import { startEmbedded } from ${JSON.stringify(source)};
          console.log(JSON.stringify(await startEmbedded(process.argv[2])));`,
        resolveDir: stateDir,
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: script,
      logLevel: 'error',
    });
    // Left over from a command that was killed while holding the lock.
    const { lockFile, dir } = embeddedPaths(stateDir);
    mkdirSync(dir, { mode: 0o700 });
    writeFileSync(lockFile, `${endedPid()} token`);
    const results = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const { stdout } = await run(process.execPath, [script, stateDir]);
        return JSON.parse(stdout) as { pid: number; alreadyRunning: boolean };
      }),
    );
    expect(new Set(results.map(({ pid }) => pid)).size).toBe(1);
    expect(results.filter(({ alreadyRunning }) => !alreadyRunning)).toHaveLength(1);
    expect(serversIn(dir)).toEqual([results[0]?.pid]);
    // It outlives the processes that started it, and no lock or temporary name remains.
    expect(readdirSync(dir).sort()).toEqual(['appendonlydir', 'redis.log', 'redis.pid', 'redis.sock']);
  });
});

describe('the state directory', () => {
  it('of our own with too wide permissions is restricted', async () => {
    const { dir } = embeddedPaths(stateDir);
    mkdirSync(dir);
    chmodSync(dir, 0o777);
    await startEmbedded(stateDir);
    expect(lstatSync(dir).mode & 0o777).toBe(0o700);
  });

  it('that is a link, or below a directory that others may write, is refused', async () => {
    const { dir } = embeddedPaths(stateDir);
    symlinkSync(tmpdir(), dir);
    await expect(startEmbedded(stateDir)).rejects.toMatchObject({ code: 'REDIS_STATE_DIR', exitCode: 77 });
    rmSync(dir);
    chmodSync(stateDir, 0o777);
    await expect(startEmbedded(stateDir)).rejects.toMatchObject({ code: 'REDIS_STATE_DIR', exitCode: 77 });
  });

  it.runIf(process.getuid?.() === 0)('of another user is refused', async () => {
    const { dir } = embeddedPaths(stateDir);
    mkdirSync(dir, { mode: 0o700 });
    chownSync(dir, 12_345, 12_345);
    await expect(startEmbedded(stateDir)).rejects.toMatchObject({ code: 'REDIS_STATE_DIR' });
  });

  it('with a path too long for a socket gets a short, private one elsewhere', async () => {
    const outer = stateDir;
    stateDir = join(outer, 'a'.repeat(60), "b ' é".repeat(12));
    try {
      const { socket } = await startEmbedded(stateDir);
      expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(103);
      expect(lstatSync(dirname(socket)).mode & 0o777).toBe(0o700);
      expect(await withClient((client) => client.set('k', 'v'))).toBe('OK');
      expect(readdirSync(embeddedPaths(stateDir).dir)).toContain('appendonlydir');
      await stopEmbedded(stateDir);
      rmSync(dirname(socket), { recursive: true, force: true });
    } finally {
      rmSync(outer, { recursive: true, force: true });
    }
  });
});

describe('a server that cannot start', () => {
  it('is reported as not installed', async () => {
    const env = { PATH: '/nonexistent' };
    expect(await findRedisServer(env)).toBeUndefined();
    await expect(startEmbedded(stateDir, { env })).rejects.toMatchObject({
      code: 'REDIS_SERVER_MISSING',
      exitCode: 69,
      hint: expect.stringContaining('install'),
    });
    expect(await findRedisServer()).toMatch(/\/(redis|valkey)-server$/);
  });

  it('with damaged data shows the log and how to repair it', async () => {
    await startEmbedded(stateDir);
    await withClient(async (client) => {
      for (let i = 0; i < 20; i++) await client.set(`k${i}`, 'v'.repeat(50));
    });
    await stopEmbedded(stateDir);
    const { dir } = embeddedPaths(stateDir);
    const folder = join(dir, 'appendonlydir');
    const file = join(folder, readdirSync(folder).find((name) => name.endsWith('.incr.aof')) ?? '');
    const bytes = readFileSync(file);
    bytes.fill(0x58, 200, 260);
    writeFileSync(file, bytes);
    const error = await startEmbedded(stateDir).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'REDIS_START_FAILED',
      exitCode: 69,
      message: expect.stringMatching(/\n {2}.*Bad file format/),
      hint: expect.stringContaining('redis-check-aof'),
    });
    expect(readdirSync(dir)).not.toContain('redis.lock');
  });
});

/** TCP ports of a process: the inodes of its sockets that /proc lists as listening. */
function listeningPorts(pid: number): string[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /socket:\[(\d+)\]/.exec(
          execFileSync('readlink', [`/proc/${pid}/fd/${fd}`], { encoding: 'utf8' }),
        )?.[1];
      } catch {
        return undefined;
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[3] === '0A' && inodes.has(columns[9]))
      .map((columns) => columns[1] as string),
  );
}
