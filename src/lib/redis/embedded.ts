import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { totalmem } from 'node:os';
import { promisify } from 'node:util';
import { type HeldLock, takeLock } from '../core/file-lock.js';
import { rotateLog } from '../core/log-file.js';
import { pollUntil } from '../core/poll.js';
import { isAlive, untilExited } from '../core/process-alive.js';
import { notAnswering, serverMissing, startBusy, startFailed, stopFailed } from './embedded-errors.js';
import { type EmbeddedPaths, embeddedPaths, preparePrivateDirs, settleSocket } from './embedded-files.js';
import { keptSettings } from './embedded-settings.js';
import { parseInfo } from './info.js';
import { type Answer, ask } from './probe.js';

export { type EmbeddedPaths, embeddedPaths } from './embedded-files.js';

export interface EmbeddedServer {
  socket: string;
  pid: number;
  alreadyRunning: boolean;
}

export interface EmbeddedStatus {
  running: boolean;
  socket: string;
  dir: string;
  logFile: string;
  /** Only when running. */
  pid?: number;
  version?: string;
  uptimeSeconds?: number;
  /** Bytes; `maxMemory` 0 means no limit. */
  usedMemory?: number;
  maxMemory?: number;
  /** Still reading its data from disk. */
  loading?: boolean;
}

export interface EmbeddedOptions {
  /** Environment of the server process and for the search on PATH; default: that of this process. */
  env?: NodeJS.ProcessEnv | undefined;
}

const START_DEADLINE_MS = 10_000;
/** SHUTDOWN flushes the append-only file first; on a slow disk that takes seconds. */
const STOP_DEADLINE_MS = 20_000;
/** A server that does not answer gets this long after SIGTERM, then SIGKILL. */
const HUNG_DEADLINE_MS = 3000;
/** The duration of a concurrent start or stop, plus a margin. */
const LOCK_TIMEOUT_MS = 25_000;
const ASK_TIMEOUT_MS = 1000;
const LOG_MAX_BYTES = 1 << 20;
const MIN_MAXMEMORY = 64 << 20;

/**
 * infer's own Redis: started unless it is running, and left running when this command ends. Private to the
 * user (unix socket in a 0700 directory, no network port), durable (append-only file, synced every second),
 * never evicting. Any number of commands may call this concurrently: only one server is started.
 * @throws InferError REDIS_SERVER_MISSING, REDIS_START_FAILED, REDIS_TIMEOUT (69),
 * REDIS_LOADING, REDIS_START_BUSY (75), REDIS_STATE_DIR (77).
 */
export async function startEmbedded(
  stateDir: string,
  options: EmbeddedOptions = {},
): Promise<EmbeddedServer> {
  const paths = embeddedPaths(stateDir);
  preparePrivateDirs(paths);
  const running = await runningServer(paths);
  if (running !== undefined) return running;
  const lock = await lockOf(paths);
  try {
    // Another command may have started it while this one waited for the lock.
    const there = await runningServer(paths);
    if (there !== undefined) return there;
    if (await settleSocket(paths)) return await startLocked(paths, lock, options);
    const elsewhere = embeddedPaths(stateDir);
    preparePrivateDirs(elsewhere);
    return await startLocked(elsewhere, lock, options);
  } finally {
    lock.release();
  }
}

/** Whether infer's own server is running and, if so, its figures. Starts nothing, throws nothing. */
export async function statusEmbedded(stateDir: string): Promise<EmbeddedStatus> {
  const paths = embeddedPaths(stateDir);
  const where = { socket: paths.socket, dir: paths.dir, logFile: paths.logFile };
  const answer = await ask({ path: paths.socket }, 'INFO', ASK_TIMEOUT_MS);
  if (answer.kind !== 'reply') return { running: false, ...where };
  const facts = parseInfo(answer.text);
  return {
    running: true,
    ...where,
    ...(facts.pid === undefined ? {} : { pid: facts.pid }),
    version: facts.version,
    uptimeSeconds: facts.uptimeSeconds,
    usedMemory: facts.usedMemory,
    maxMemory: facts.maxMemory,
    loading: facts.loading,
  };
}

/**
 * Stops infer's own server and waits until its process has exited; its data stays on disk.
 * @throws InferError REDIS_STOP_FAILED (exit 69), REDIS_START_BUSY (75), REDIS_STATE_DIR (77).
 */
export async function stopEmbedded(stateDir: string): Promise<{ stopped: boolean; pid?: number }> {
  const paths = embeddedPaths(stateDir);
  preparePrivateDirs(paths);
  const lock = await lockOf(paths);
  try {
    const reachable = await runningPid(paths);
    const pid = reachable ?? (await orphanPid(paths));
    if (pid === undefined) {
      removeLeftovers(paths);
      return { stopped: false };
    }
    await shutDown(paths, pid, reachable !== undefined);
    return { stopped: true, pid };
  } finally {
    lock.release();
  }
}

/**
 * Path of `redis-server` or `valkey-server` on PATH. The shell does the search, because only the
 * configuration reads the environment.
 */
export async function findRedisServer(env?: NodeJS.ProcessEnv | undefined): Promise<string | undefined> {
  const command = 'command -v redis-server || command -v valkey-server';
  try {
    const { stdout } = await promisify(execFile)(
      '/bin/sh',
      ['-c', command],
      env === undefined ? {} : { env },
    );
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

function lockOf(paths: EmbeddedPaths): Promise<HeldLock> {
  return takeLock(paths.lockFile, { waitMs: LOCK_TIMEOUT_MS, busy: () => startBusy(paths) });
}

async function runningServer(paths: EmbeddedPaths): Promise<EmbeddedServer | undefined> {
  const answer = await ask({ path: paths.socket }, 'PING', ASK_TIMEOUT_MS);
  if (answer.kind !== 'reply') return undefined;
  const pid = await runningPid(paths);
  return pid === undefined ? undefined : { socket: paths.socket, pid, alreadyRunning: true };
}

/** The pid reported by the server on the socket: pid files outlive their process, and pids are reused. */
async function runningPid(paths: EmbeddedPaths): Promise<number | undefined> {
  const answer = await ask({ path: paths.socket }, 'INFO server', ASK_TIMEOUT_MS);
  return answer.kind === 'reply' ? parseInfo(answer.text).pid : undefined;
}

/**
 * A server of ours that does not answer on its socket: suspended or hung, or its socket file was deleted. A
 * second server on the same append-only file would corrupt it.
 */
async function orphanPid(paths: EmbeddedPaths): Promise<number | undefined> {
  let pid: number;
  try {
    pid = Number(readFileSync(paths.pidFile, 'utf8').trim());
  } catch {
    return undefined;
  }
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive(pid)) return undefined;
  return (await isOurServer(pid, paths)) ? pid : undefined;
}

async function isOurServer(pid: number, paths: EmbeddedPaths): Promise<boolean> {
  try {
    // The server's working directory is `dir`, and no other program has a reason to use it.
    return (
      readlinkSync(`/proc/${pid}/cwd`) === realpathSync(paths.dir) && /redis|valkey/.test(commandOf(pid))
    );
  } catch {
    // No /proc: on macOS, ps shows the arguments, including `dir`.
  }
  try {
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
    return /redis-server|valkey-server/.test(stdout) && stdout.includes(paths.dir);
  } catch {
    return false;
  }
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
}

async function startLocked(
  paths: EmbeddedPaths,
  lock: HeldLock,
  options: EmbeddedOptions,
): Promise<EmbeddedServer> {
  const orphan = await orphanPid(paths);
  if (orphan !== undefined) {
    const answer = await waitForAnswer(paths, () => !isAlive(orphan));
    if (answer?.kind === 'reply') return { socket: paths.socket, pid: orphan, alreadyRunning: true };
    if (answer !== undefined) throw notAnswering(paths, orphan, answer);
  }
  const server = await findRedisServer(options.env);
  if (server === undefined) throw serverMissing();
  removeLeftovers(paths);
  rotateLog(paths.logFile, LOG_MAX_BYTES);
  if (!lock.stillHeld()) throw startFailed(paths, 'another command took over');
  const child = launch(server, paths, options);
  let ended = '';
  child.once('error', (error) => {
    ended = `it could not be run: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`;
  });
  child.once('exit', (code, signal) => {
    ended ||= `it ended with ${signal ?? `exit code ${code ?? '?'}`}`;
  });
  const answer = await waitForAnswer(paths, () => ended !== '');
  child.removeAllListeners();
  if (answer?.kind === 'reply' && child.pid !== undefined) {
    return { socket: paths.socket, pid: child.pid, alreadyRunning: false };
  }
  // While loading a large file it is alive and says so: leave it alone.
  if (ended !== '' || child.pid === undefined) throw startFailed(paths, ended);
  throw notAnswering(paths, child.pid, answer);
}

function launch(server: string, paths: EmbeddedPaths, options: EmbeddedOptions): ChildProcess {
  // Output from before it opens its own log, for example about a bad argument, goes there too.
  const log = openSync(paths.logFile, 'a', 0o600);
  try {
    const child = spawn(server, serverArguments(paths), {
      // Own session and process group: Ctrl-C and a closed terminal end the command, not the server.
      detached: true,
      stdio: ['ignore', log, log],
      cwd: paths.dir,
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

function serverArguments(paths: EmbeddedPaths): string[] {
  const settings: Record<string, string> = {
    port: '0',
    unixsocket: paths.socket,
    unixsocketperm: '700',
    dir: paths.dir,
    pidfile: paths.pidFile,
    logfile: paths.logFile,
    // Started detached instead: a daemon would have another pid than the child.
    daemonize: 'no',
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    maxmemory: String(memoryLimit()),
    ...keptSettings(paths),
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/**
 * Half the memory of the machine or container: without a limit, nothing refuses work before the kernel kills
 * the server.
 */
function memoryLimit(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  const total = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return Math.max(MIN_MAXMEMORY, Math.floor(total / 2));
}

/**
 * Polls (every 2 ms, growing to 100 ms) until PING is answered; undefined once `over`, else the last answer.
 */
async function waitForAnswer(paths: EmbeddedPaths, over: () => boolean): Promise<Answer | undefined> {
  let answer: Answer | undefined;
  const look = async () => {
    answer = await ask({ path: paths.socket }, 'PING', ASK_TIMEOUT_MS);
    if (answer.kind === 'reply') return { answer };
    return over() ? { answer: undefined } : undefined;
  };
  const limits = { everyMs: 2, mostMs: 100, timeoutMs: START_DEADLINE_MS };
  return (await pollUntil(look, limits, () => ({ answer }))).answer;
}

async function shutDown(paths: EmbeddedPaths, pid: number, reachable: boolean): Promise<void> {
  if (reachable) {
    // SHUTDOWN flushes and syncs the append-only file; the server then closes the connection without a reply.
    const answer = await ask({ path: paths.socket }, 'SHUTDOWN', STOP_DEADLINE_MS);
    if (answer.kind === 'error') throw stopFailed(paths, pid, answer.text);
  } else {
    process.kill(pid, 'SIGTERM');
  }
  const isRunning = () => isAlive(pid);
  let gone = await untilExited(isRunning, reachable ? STOP_DEADLINE_MS : HUNG_DEADLINE_MS);
  if (!gone && !reachable && (await isOurServer(pid, paths))) {
    // A hung or suspended server. The kernel has everything it acknowledged, so killing it loses nothing.
    process.kill(pid, 'SIGKILL');
    gone = await untilExited(isRunning, HUNG_DEADLINE_MS);
  }
  if (!gone) throw stopFailed(paths, pid, 'it still runs');
  removeLeftovers(paths);
}

function removeLeftovers(paths: EmbeddedPaths): void {
  rmSync(paths.socket, { force: true });
  rmSync(paths.pidFile, { force: true });
}
