import { createHash } from 'node:crypto';
import { chmodSync, closeSync, fstatSync, lstatSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { printable } from '../core/job.js';

/** Where infer's own server keeps its things, all below `<stateDir>/redis`. */
export interface EmbeddedPaths {
  /** Mode 0700; also the server's working directory. */
  dir: string;
  /** In `dir`, or in a short directory under the system's temporary one when that is too long. */
  socket: string;
  pidFile: string;
  logFile: string;
  lockFile: string;
}

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, final NUL included. */
const MAX_SOCKET_BYTES = 103;

/**
 * The server's files. A socket path of more than 103 bytes cannot be bound: then the socket is
 * `<tmp>/infer-<uid>-<hash of dir>/redis.sock`, and only the socket; data and log stay in `dir`.
 */
export function embeddedPaths(stateDir: string): EmbeddedPaths {
  const dir = join(resolve(stateDir), 'redis');
  let socket = join(dir, 'redis.sock');
  if (Buffer.byteLength(socket) > MAX_SOCKET_BYTES) {
    const hash = createHash('sha256').update(dir).digest('hex').slice(0, 16);
    socket = join(tmpdir(), `infer-${process.getuid?.() ?? 0}-${hash}`, 'redis.sock');
  }
  return {
    dir,
    socket,
    pidFile: join(dir, 'redis.pid'),
    logFile: join(dir, 'redis.log'),
    lockFile: join(dir, 'redis.lock'),
  };
}

/** Makes the server's directories, for this user alone. @throws InferError REDIS_STATE_DIR (exit 77). */
export function preparePrivateDirs(paths: EmbeddedPaths): void {
  makePrivateDir(paths.dir);
  const socketDir = dirname(paths.socket);
  if (socketDir !== paths.dir) makePrivateDir(socketDir);
}

/**
 * A directory that is ours and that nobody else can enter: whoever opens the socket owns the
 * queue. One of ours that is too open is closed to 0700; a stranger's, or a link, is refused.
 */
function makePrivateDir(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw refused(dir, `cannot be made (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`);
  }
  const found = lstatSync(dir);
  if (!found.isDirectory()) throw refused(dir, 'is not a directory');
  const uid = process.getuid?.();
  if (uid !== undefined && found.uid !== uid) throw refused(dir, 'belongs to another user');
  // Writable for others and not sticky (as /tmp is): anybody could put another directory in its place.
  const parent = statSync(dirname(dir));
  if ((parent.mode & 0o022) !== 0 && (parent.mode & 0o1000) === 0) {
    throw refused(dirname(dir), 'may be written by other users', `chmod go-w ${dirname(dir)}`);
  }
  if ((found.mode & 0o077) !== 0) chmodSync(dir, 0o700);
}

function refused(dir: string, reason: string, fix?: string): InferError {
  return new InferError('REDIS_STATE_DIR', `${dir} ${reason}, so infer's own Redis is not safe there`, {
    hint: fix ?? 'choose another state directory with INFER_STATE_DIR, or name a Redis with --redis',
    exitCode: ExitCode.NotPermitted,
  });
}

const TAIL_BYTES = 4096;

/** The last `count` lines of the server's log, at most 200 characters each; none when there is no log. */
export function lastLogLines(logFile: string, count: number): string[] {
  let fd: number;
  try {
    fd = openSync(logFile, 'r');
  } catch {
    return [];
  }
  try {
    const size = fstatSync(fd).size;
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(fd, buffer, 0, buffer.length, Math.max(0, size - TAIL_BYTES));
    const lines = buffer
      .toString('utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    return lines.slice(-count).map((line) => printable(line).slice(0, 200));
  } finally {
    closeSync(fd);
  }
}
