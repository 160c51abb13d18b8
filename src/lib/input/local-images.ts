import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { ReadFile } from './column.js';

/**
 * Reads the image files that rows name, for a process that acts for its user alone: never for a gateway or a worker, whose
 * files do not belong to the sender of the row.
 * @param base directory that relative paths start from: that of the file with the rows.
 */
export function localImages(base: string): ReadFile {
  return (name, where) => {
    const place = where === undefined ? '' : `${where}: `;
    const shown = printable(name.length > 200 ? `${name.slice(0, 200)}...` : name);
    if (/^https?:/i.test(name)) {
      throw new InferError('INPUT_IMAGE', `${place}${shown} is an address, which is only fetched from JSON`, {
        hint: 'write the rows as NDJSON: {"image": "https://..."} a line',
      });
    }
    try {
      const file = path.resolve(base, name);
      if (!statSync(file).isFile()) throw new Error('it is not a file');
      return readFileSync(file);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const isMissing = code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG';
      throw new InferError(
        isMissing ? 'INPUT_MISSING' : 'INPUT_UNREADABLE',
        isMissing
          ? `${place}there is no file ${shown}`
          : `${place}${shown} cannot be read: ${code ?? message}`,
        {
          hint: `give a path that starts from ${printable(base)}, or a data URL`,
          cause: error,
        },
      );
    }
  };
}

/** For rows that were fetched themselves: a server must not choose which files of this machine are read. */
export const noLocalImages: ReadFile = (name, where) => {
  const place = where === undefined ? '' : `${where}: `;
  const shown = printable(name.length > 200 ? `${name.slice(0, 200)}...` : name);
  throw new InferError('INPUT_IMAGE', `${place}${shown} is a path, in rows that come from an address`, {
    hint: 'download the rows first, or give data URLs or addresses in them',
  });
};
