import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Does something in a new directory, then deletes the directory.
 * @param work gets the directory, and a list to which it adds what ends its processes immediately; they are
 *   called in reverse order
 * @param keep keeps the directory
 */
export async function inScratchDir<T>(
  name: string,
  keep: boolean | undefined,
  work: (dir: string, last: (() => void)[]) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), name));
  const last: (() => void)[] = [];
  const endAll = (): void => {
    for (const end of last.splice(0).reverse()) end();
    // Servers that were just killed may still be writing.
    if (!keep) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  // Ctrl-C or an aborting test runner must leave no process behind either.
  process.once('exit', endAll);
  try {
    return await work(dir, last);
  } finally {
    endAll();
    process.off('exit', endAll);
  }
}
