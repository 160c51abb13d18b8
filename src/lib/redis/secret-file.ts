import { readFileSync } from 'node:fs';
import type { ErrorCode } from '../core/error-table.js';
import { InferError } from '../core/errors.js';
import { withoutMark } from '../core/text.js';

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a directory',
};

/**
 * The text of a file named by a setting.
 * @param what the file in words: `password file`.
 * @throws InferError `code` (exit 78).
 */
export function readSecretFile(file: string, code: ErrorCode, what: string): string {
  try {
    return withoutMark(readFileSync(file, 'utf8'));
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new InferError(code, `the ${what} ${file} cannot be read: ${REASONS[errno] ?? errno}`, {
      hint: 'check the path and its permissions',
    });
  }
}
