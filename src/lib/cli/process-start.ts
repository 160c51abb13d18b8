import { debugWanted } from '../config/debug.js';
import { settleUser } from '../config/home.js';
import { currentDir } from '../core/current-dir.js';
import type { InferError } from '../core/errors.js';
import { describeError, errorJson, errorLines } from './output/error.js';
import { jsonText } from './output/json.js';
import { ignoreHangupWithoutTerminal } from './signals.js';
import { guardStreams } from './standard-streams.js';

/**
 * Prepares the process before anything else is loaded: handling of signals and failing streams, a home
 * directory and shell for libraries that need them, an existing current directory.
 * @returns false when it cannot run; the reason has been printed and the exit code is set.
 */
export function startProcess(argv: readonly string[]): boolean {
  ignoreHangupWithoutTerminal();
  guardStreams();
  settleUser();
  try {
    currentDir();
    return true;
  } catch (error) {
    const shown = describeError(error, { command: 'infer', debug: debugWanted() });
    if (argv.includes('--json')) process.stdout.write(`${jsonText(errorJson(shown))}\n`);
    else for (const line of errorLines(shown)) process.stderr.write(`${line}\n`);
    process.exitCode = (error as InferError).exitCode;
    return false;
  }
}
