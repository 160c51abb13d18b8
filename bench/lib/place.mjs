import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { InferClient } from 'infer-queue';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const INFER = join(ROOT, 'bin', 'run.js');
export const DIGITS = join(ROOT, 'models', 'digits', '1', 'model.onnx');

const PROFILER = new URL('./profiler.mjs', import.meta.url);
const START_MS = 30_000;
const STOP_MS = 10_000;

/** The environment without the user's own infer settings, which would change what is measured. */
function cleanEnv() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(INFER_|NODE_OPTIONS)/.test(name)),
  );
}

/**
 * Where one benchmark runs: a temporary directory, and every process it started. `close` ends them
 * by their pid and removes the directory.
 */
export class Place {
  /** @param {{profileDir?: string | undefined}} [options] */
  constructor(options = {}) {
    this.dir = mkdtempSync(join(tmpdir(), 'infer-bench-'));
    this.profileDir = options.profileDir;
    /** @type {import('node:child_process').ChildProcess[]} */
    this.children = [];
    /** @type {(() => Promise<unknown>)[]} */
    this.closers = [];
    this.servers = 0;
  }

  /**
   * @param {string} command @param {string[]} args
   * @param {import('node:child_process').SpawnOptions} [options]
   */
  spawn(command, args, options = {}) {
    const child = spawn(command, args, { cwd: this.dir, env: cleanEnv(), stdio: 'ignore', ...options });
    this.children.push(child);
    return child;
  }

  /** A private server on a unix socket, without persistence. @param {string[]} [args] */
  async redis(args = []) {
    const socket = join(this.dir, `${this.servers++}.sock`);
    const server = this.spawn('redis-server', [
      ...['--port', '0', '--unixsocket', socket, '--unixsocketperm', '700'],
      ...['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', '--dir', this.dir, ...args],
    ]);
    let fault = '';
    server.on('error', (error) => {
      fault = error.message;
    });
    const url = `unix://${socket}`;
    const end = Date.now() + START_MS;
    for (;;) {
      try {
        const client = await InferClient.connect({ redis: url });
        this.closers.push(() => client.close());
        return { url, socket, client, pid: server.pid };
      } catch (error) {
        if (fault !== '' || server.exitCode !== null || Date.now() > end)
          throw new Error(`redis-server does not start: ${fault || error}`);
        await delay(50);
      }
    }
  }

  /** A worker of the built command line, ready: one runner, one thread. @param {string} url @param {string[]} args */
  async worker(url, args) {
    const options = ['worker', '--redis', url, '--threads', '1', '--log-level', 'warn', ...args];
    return (await this.ready('worker', options)).child;
  }

  /** A gateway of the built command line, ready: no tokens, no lines for requests. @param {string} url of Redis @param {string[]} args */
  async gateway(url, args = []) {
    const options = ['serve', '--redis', url, '--port', '0', '--log-level', 'warn', ...args];
    const { child, said } = await this.ready('gateway', options);
    const [, at] = /^ready (\S+)/m.exec(said) ?? [];
    if (at === undefined) throw new Error(`the gateway does not say where it listens: ${said}`);
    return { child, url: at };
  }

  /** A command that runs until it is ended, ready, with what it said. @param {string} name @param {string[]} options */
  async ready(name, options) {
    const profile =
      this.profileDir === undefined
        ? {}
        : { NODE_OPTIONS: `--import ${PROFILER}`, BENCH_PROFILE_DIR: this.profileDir };
    const child = this.spawn(process.execPath, [INFER, ...options], {
      env: { ...cleanEnv(), ...profile },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    const ready = new Promise((resolve, reject) => {
      child.stderr?.on('data', (chunk) => {
        said += chunk;
        if (/^ready\b.*\n/m.test(said)) resolve(undefined);
      });
      child.once('exit', (code) => reject(new Error(`the ${name} ended (${code}): ${said}`)));
    });
    ready.catch(() => undefined);
    await inTime(ready, () => `the ${name} is not ready: ${said}`);
    return { child, said };
  }

  /**
   * A baseline in a process of its own, which answers each line it is sent with one line of JSON.
   * @param {URL} script @param {unknown} setup
   */
  async baseline(script, setup) {
    const file = fileURLToPath(script);
    const child = this.spawn(process.execPath, [file, JSON.stringify(setup)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error('a baseline needs pipes');
    const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    const hear = async (/** @type {string} */ what) => {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${file} ended while it was asked to ${what}`);
      return JSON.parse(value);
    };
    await inTime(hear('start'), () => `${file} is not ready`);
    /** @param {unknown} request */
    const ask = (request) => {
      stdin.write(`${JSON.stringify(request)}\n`);
      return hear('answer');
    };
    return { child, ask };
  }

  /** @param {import('node:child_process').ChildProcess} child */
  async stop(child) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await gone;
    clearTimeout(timer);
  }

  async close() {
    for (const close of this.closers.splice(0).reverse()) await close().catch(() => undefined);
    // Latest first: workers end before the Redis they use.
    for (const child of this.children.splice(0).reverse()) await this.stop(child);
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** For an interrupt, where nothing can be awaited. */
  abandon() {
    for (const child of this.children) if (child.exitCode === null) child.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** @template T @param {Promise<T>} work @param {() => string} what @returns {Promise<T>} */
async function inTime(work, what) {
  const timer = new AbortController();
  const late = delay(START_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(what());
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}

/** A line of `/proc/<pid>/status` in bytes (Linux). @param {number | undefined} pid @param {'VmRSS' | 'VmHWM'} field */
export function memoryOf(pid, field) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024;
}

/** @param {number | undefined} pid @returns {number[]} */
export function childrenOf(pid) {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return list === '' ? [] : list.split(' ').map(Number);
}
