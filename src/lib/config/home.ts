import { accessSync, constants, statSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The user's home directory: `HOME`, else that in the user database. Undefined for a user without an entry
 * there, as with the arbitrary user ids of OpenShift. An empty `HOME` counts as none.
 */
export function homeOf(env: Environment): string | undefined {
  if (env.HOME) return env.HOME;
  for (const look of [homedir, () => userInfo().homedir]) {
    try {
      const found = look();
      if (found !== '') return found;
    } catch {
      // The system has no entry for this user id.
    }
  }
  return undefined;
}

/**
 * The default location of pid files, logs and the private Redis: `$XDG_STATE_HOME/infer`, else
 * `~/.local/state/infer`, else, for a user without a home directory, `<tmp>/infer-<uid>`. A home that exists
 * but is not writable is kept: the error is reported when something is to be written.
 */
export function defaultStateDir(env: Environment): string {
  if (env.XDG_STATE_HOME) return join(env.XDG_STATE_HOME, 'infer');
  const home = homeOf(env);
  if (home === undefined || isNoHome(home)) return join(tmpdir(), `infer-${process.getuid?.() ?? 'user'}`);
  return join(home, '.local', 'state', 'infer');
}

/** `/` or `/nonexistent`, used by containers and user databases for users without a home. */
function isNoHome(home: string): boolean {
  if (home !== '/' && exists(home)) return false;
  let above = home;
  while (!exists(above) && dirname(above) !== above) above = dirname(above);
  try {
    accessSync(above, constants.W_OK);
    return false;
  } catch {
    return true;
  }
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // It exists, although access is denied.
    return true;
  }
}

/**
 * Sets a home directory and a shell if the user has none: oclif looks up both in the user database when it
 * loads, and fails if this user id is missing there. Child processes inherit them.
 * @param env modified in place.
 */
export function settleUser(env: Record<string, string | undefined> = process.env): void {
  if (process.platform === 'win32') return;
  if (!env.HOME) env.HOME = homeOf(env) ?? '/';
  if (env.SHELL === undefined && !isListed()) env.SHELL = '/bin/sh';
}

function isListed(): boolean {
  try {
    return userInfo().username !== '';
  } catch {
    return false;
  }
}
