import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { InferError } from '../core/errors.js';
import { makePrivateDir } from '../core/private-dir.js';

/** Paths of infer's own server, all below `<stateDir>/redis`. */
export interface EmbeddedPaths {
  /** Mode 0700; also the server's working directory. */
  dir: string;
  /** In `dir`, or in a short directory under the system's temporary one when that is too long. */
  socket: string;
  pidFile: string;
  logFile: string;
  lockFile: string;
}

/** `sun_path` has 104 bytes on macOS and 108 on Linux, including the final NUL. */
const MAX_SOCKET_BYTES = 103;

/**
 * The server's files. A socket path longer than 103 bytes cannot be bound, and some file systems do not
 * support sockets: then the socket, and only the socket, is `<tmp>/infer-<uid>-<hash of dir>/redis.sock`;
 * data and log stay in `dir`.
 */
export function embeddedPaths(stateDir: string): EmbeddedPaths {
  const dir = join(resolve(stateDir), 'redis');
  let socket = join(dir, 'redis.sock');
  if (Buffer.byteLength(socket) > MAX_SOCKET_BYTES || existsSync(markerOf(dir))) {
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

/** Marks that the file system of `dir` does not support sockets: later commands need no trial. */
function markerOf(dir: string): string {
  return join(dir, 'no-sockets');
}

/** `bind` errors where sockets are not supported: mounts of Windows and Docker Desktop, FUSE, FAT. */
const NO_SOCKETS: readonly (string | undefined)[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'];

/** Whether the server's socket can be in its usual place; if not, another one is used from now on. */
export async function settleSocket(paths: EmbeddedPaths): Promise<boolean> {
  if (dirname(paths.socket) !== paths.dir || (await canBind(join(paths.dir, 'trial.sock')))) return true;
  writeFileSync(markerOf(paths.dir), '', { mode: 0o600 });
  return false;
}

/** Any other failure will be reported by the server. */
function canBind(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(!NO_SOCKETS.includes(error.code)));
    server.listen(path, () => server.close(() => resolve(true)));
  });
}

/**
 * Creates the server's directories, accessible to this user only: anyone who can open the socket controls the
 * queue.
 * @throws InferError REDIS_STATE_DIR (exit 77).
 */
export function preparePrivateDirs(paths: EmbeddedPaths): void {
  makePrivateDir(paths.dir, refused);
  const socketDir = dirname(paths.socket);
  if (socketDir !== paths.dir) makePrivateDir(socketDir, refused);
}

function refused(dir: string, reason: string, fix?: string): InferError {
  return new InferError('REDIS_STATE_DIR', `${dir} ${reason}, so infer's own Redis is not safe there`, {
    hint: fix ?? 'choose another state directory with INFER_STATE_DIR, or name a Redis with --redis',
  });
}
