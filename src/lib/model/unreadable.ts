import { accessSync, constants, type Stats, statSync } from 'node:fs';
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
 * Refuses what would block its reader or never end: a named pipe, a socket, a device. A directory is refused by
 * the read itself.
 * @throws Error with the kind; the file system's error.
 */
export function refuseSpecial(file: string): void {
  const kind = specialKind(statSync(file));
  if (kind !== undefined) throw new SpecialFile(kind);
}

/** A path leads to what cannot be read as a file. */
export class SpecialFile extends Error {
  constructor(kind: string) {
    super(`it is ${kind}, not a file`);
  }
}

/** What a path leads to if it is neither a file nor a directory. */
export function specialKind(stats: Stats): string | undefined {
  if (stats.isFile() || stats.isDirectory()) return undefined;
  return stats.isFIFO() ? 'a named pipe' : stats.isSocket() ? 'a socket' : 'a device';
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
        hint:
          error instanceof SpecialFile ? 'put a file in its place' : 'check that it is there, and its disk',
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
