import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes the error for a directory that is not safe: what is wrong with it, and a command that mends that. */
export type Refusal = (dir: string, reason: string, fix?: string) => Error;

/**
 * A directory that is ours and that nobody else can enter. One of ours that is too open is closed
 * to 0700; a stranger's, or a link, is refused.
 * @throws what `refused` makes.
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
  // Writable for others and not sticky (as /tmp is): anybody could put another directory in its place.
  const parent = statSync(dirname(dir));
  if ((parent.mode & 0o022) !== 0 && (parent.mode & 0o1000) === 0) {
    throw refused(dirname(dir), 'may be written by other users', `chmod go-w ${dirname(dir)}`);
  }
  if ((found.mode & 0o077) !== 0) chmodSync(dir, 0o700);
}
