import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { InferError, messageOf } from '../core/errors.js';
import { printable } from '../core/job.js';
import { quoteWord } from '../core/quote-word.js';
import { systemUser } from '../core/system-user.js';

const DENIED = new Set(['EACCES', 'EPERM']);

/** Whether a file-system error says that this user has no access to a file. */
export function isDenied(error: unknown): boolean {
  return DENIED.has((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/**
 * MODEL_UNREADABLE (exit 77): which user may not read what, and the command that changes it.
 * MODEL_READ_FAILED (66) if permissions are not the cause. `file` is the path that was read; the inaccessible
 * part may be a directory above it.
 */
export function unreadable(model: string, file: string, error: unknown): InferError {
  const shown = printable(model);
  if (!isDenied(error)) {
    const reason = messageOf(error).replace(/, \w+ '.*$/, '');
    return new InferError(
      'MODEL_READ_FAILED',
      `model '${shown}': ${printable(file)} cannot be read: ${reason}`,
      {
        cause: error,
      },
    );
  }
  const closed = firstClosed(file);
  const message = `model '${shown}': user ${systemUser()} may not read ${printable(closed)}${modeOf(closed)}`;
  return new InferError('MODEL_UNREADABLE', message, {
    hint: `as its owner or root: chmod -R a+rX ${quoteWord(closed)}`,
    cause: error,
  });
}

/** The outermost part of a path that this user cannot enter or read. */
function firstClosed(file: string): string {
  const parts = path.resolve(file).split(path.sep);
  for (let depth = 2; depth < parts.length; depth++) {
    const dir = parts.slice(0, depth).join(path.sep);
    try {
      accessSync(dir, constants.X_OK);
    } catch {
      return dir;
    }
  }
  return file;
}

function modeOf(file: string): string {
  try {
    const { mode, uid } = statSync(file);
    return ` (its owner is uid ${uid}, its mode ${(mode & 0o777).toString(8).padStart(4, '0')})`;
  } catch {
    return '';
  }
}
