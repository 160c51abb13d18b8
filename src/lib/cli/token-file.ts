import { join } from 'node:path';
import type { Settings } from '../config/settings.js';
import { InferError } from '../core/errors.js';
import { makePrivateDir } from '../core/private-dir.js';

/**
 * The token file that a command changes: the given one, otherwise one in the state directory, which is
 * created.
 * @throws InferError STATE_DIR (77).
 */
export function tokenFileOf({ tokenFile, stateDir }: Settings): string {
  if (tokenFile !== undefined) return tokenFile;
  makePrivateDir(
    stateDir,
    (dir, reason, fix) =>
      new InferError('STATE_DIR', `the state directory ${dir} ${reason}`, {
        hint: fix ?? 'name the file with --token-file',
      }),
  );
  return join(stateDir, 'tokens.json');
}
