import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** `<models>/<name>/<version>/<file>`. */
const DEPTH = 3;
/** Maximum number of entries to check; the rest of a larger repository is ignored. */
const MOST = 5000;

/**
 * When a directory of models last changed, ms since the epoch, by the modification times of its files and
 * directories; 0 if it cannot be read. Synchronous: usually a few hundred calls of `stat` at most.
 */
export function modelsChangedAt(dir: string): number {
  let newest = 0;
  let seen = 0;
  const look = (path: string, depth: number): void => {
    if (seen++ >= MOST) return;
    try {
      const stat = statSync(path);
      newest = Math.max(newest, stat.mtimeMs);
      if (depth > 0 && stat.isDirectory())
        for (const name of readdirSync(path)) look(join(path, name), depth - 1);
    } catch {
      // Deleted in the meantime (its directory has changed), or not readable.
    }
  };
  look(dir, DEPTH);
  return newest;
}
