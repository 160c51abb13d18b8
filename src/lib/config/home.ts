import { accessSync, constants, statSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The user's home directory: `HOME`, else that of the user list. Undefined for a user who is in no
 * list, as with the arbitrary user ids of OpenShift. An empty `HOME` counts as none.
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
 * Where pid files, logs and the private Redis are by default: `$XDG_STATE_HOME/infer`, else
 * `~/.local/state/infer`, else, for a user without a home directory, `<tmp>/infer-<uid>`. A home that
 * exists and cannot be written to is kept: then the reason is said when something is to be written.
 */
export function defaultStateDir(env: Environment): string {
  if (env.XDG_STATE_HOME) return join(env.XDG_STATE_HOME, 'infer');
  const home = homeOf(env);
  if (home === undefined || isNoHome(home)) return join(tmpdir(), `infer-${process.getuid?.() ?? 'user'}`);
  return join(home, '.local', 'state', 'infer');
}

/** `/` or `/nonexistent`, which containers and user lists name for users who have none. */
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
    // It cannot be looked at, but it is there.
    return true;
  }
}

/**
 * Names a home directory and a shell where the user has none: oclif asks the user list for both as it
 * loads, and fails where this user id is not in it. Children inherit them.
 * @param env changed in place.
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
