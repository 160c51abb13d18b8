import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** In no user list. */
export const ORDINARY_UID = 12_345;

/** Runs work in this process without root's file permissions; unchanged for other users. */
export async function withoutRoot<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(ORDINARY_UID);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

const BINARY = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

/**
 * Words that run a program as an ordinary user without an entry in the user list; none if the tests already run as one.
 * Undefined where root cannot do that: no setpriv, or a repository that others may not read. Tests of permissions are
 * then skipped, and counted as skipped.
 */
export function asOrdinaryUser(): string[] | undefined {
  if (process.getuid?.() !== 0) return [];
  const words = ['setpriv', `--reuid=${ORDINARY_UID}`, `--regid=${ORDINARY_UID}`, '--clear-groups'];
  const trial = spawnSync(words[0] as string, [...words.slice(1), process.execPath, BINARY, '--version'], {
    cwd: path.parse(BINARY).root,
  });
  return trial.status === 0 ? words : undefined;
}
