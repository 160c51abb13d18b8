import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { InferError } from './errors.js';

/** Creates the error for an unsafe directory: what is wrong with it, and a command that fixes it. */
export type Refusal = (dir: string, reason: string, fix?: string) => Error;

/**
 * Creates a directory that only this user can enter. One of ours with wider access is restricted to 0700; one
 * owned by another user, or a link, is refused.
 * @throws the error from `refused`.
 */
export function makePrivateDir(dir: string, refused: Refusal): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw refused(dir, `cannot be made (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`);
  }
  const found = lstatSync(dir);
  if (!found.isDirectory()) throw refused(dir, 'is not a directory');
  const uid = process.getuid?.();
  if (uid !== undefined && found.uid !== uid) throw refused(dir, 'belongs to another user');
  // Writable by others and not sticky (as /tmp is): anyone could put another directory in its place.
  const parent = statSync(dirname(dir));
  if ((parent.mode & 0o022) !== 0 && (parent.mode & 0o1000) === 0) {
    throw refused(dirname(dir), 'may be written by other users', `chmod go-w ${dirname(dir)}`);
  }
  // In /tmp, anyone could have created the parent directory.
  const above = statSync(dirname(dirname(dir)));
  if ((above.mode & 0o002) !== 0 && uid !== undefined && parent.uid !== uid && parent.uid !== 0) {
    throw refused(dirname(dir), 'belongs to another user');
  }
  if ((found.mode & 0o077) !== 0) close(dir, refused);
}

function close(dir: string, refused: Refusal): void {
  try {
    chmodSync(dir, 0o700);
  } catch (error) {
    throw refused(dir, `cannot be closed to other users (${(error as NodeJS.ErrnoException).code})`);
  }
  if ((lstatSync(dir).mode & 0o077) !== 0) {
    throw refused(dir, 'is open to other users: its file system has no permissions');
  }
}

/**
 * Why a file of the state directory cannot be written: STATE_DIR (77), not permitted; STATE_DIR_FAILED (69)
 * for other reasons, such as a full disk.
 */
export function stateFileError(file: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || error instanceof InferError) return error;
  const forbidden = ['EACCES', 'EPERM', 'EROFS'].includes(code);
  const full = ['ENOSPC', 'EDQUOT'].includes(code);
  return new InferError(
    forbidden ? 'STATE_DIR' : 'STATE_DIR_FAILED',
    `${file} cannot be read or written (${code})`,
    {
      hint: `${full ? 'free some space, or ' : ''}choose another state directory with INFER_STATE_DIR`,
      cause: error,
    },
  );
}
