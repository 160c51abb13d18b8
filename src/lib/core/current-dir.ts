import { existsSync } from 'node:fs';
import { InferError } from './errors.js';

/**
 * The directory that relative paths start from.
 * @throws InferError NO_CURRENT_DIR (exit 66) when it was deleted: nothing can be found or written there.
 */
export function currentDir(): string {
  try {
    return process.cwd();
  } catch (error) {
    throw new InferError('NO_CURRENT_DIR', 'the current directory no longer exists', {
      hint: 'change to a directory that exists: cd ~',
      cause: error,
    });
  }
}

/** A directory for a child process that does not depend on it: this one, unless it was deleted meanwhile. */
export function dirForChild(): string {
  const dir = currentDir();
  return existsSync(dir) ? dir : '/';
}
