import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { InferError } from '../core/errors.js';
import { makePrivateDir } from '../core/private-dir.js';

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
 * The server's files. A socket path of more than 103 bytes cannot be bound, and some file systems have no
 * sockets: then the socket is `<tmp>/infer-<uid>-<hash of dir>/redis.sock`, and only the socket; data and
 * log stay in `dir`.
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

/** Says that the file system of `dir` has no sockets: later commands know without a trial. */
function markerOf(dir: string): string {
  return join(dir, 'no-sockets');
}

/** `bind` where there are no sockets: mounts of Windows and Docker Desktop, FUSE, FAT. */
const NO_SOCKETS: readonly (string | undefined)[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'];

/** Whether the server's socket can be where it should; if not, it has another place from now on. */
export async function settleSocket(paths: EmbeddedPaths): Promise<boolean> {
  if (dirname(paths.socket) !== paths.dir || (await canBind(join(paths.dir, 'trial.sock')))) return true;
  writeFileSync(markerOf(paths.dir), '', { mode: 0o600 });
  return false;
}

/** Any other failure is for the server to say. */
function canBind(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(!NO_SOCKETS.includes(error.code)));
    server.listen(path, () => server.close(() => resolve(true)));
  });
}

/**
 * Makes the server's directories, for this user alone: anyone who can open the socket controls the queue.
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
