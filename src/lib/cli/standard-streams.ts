import { debugWanted } from '../config/debug.js';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { describeError, errorLines } from './output/error.js';

/** The reader of a pipe or socket has exited: `infer … | head`. */
const READER_GONE: readonly (string | undefined)[] = ['EPIPE', 'ECONNRESET'];

let runOn: ((problem: string) => void) | undefined;
let told = false;

/**
 * Called once, before anything is written. A failure of standard output ends the process: silently when its
 * reader has exited, else with one sentence and exit code 74. Standard error is only for people: without it
 * the process runs on. An uncaught failure is reported in one sentence as well.
 */
export function guardStreams(): void {
  ownOutputErrors();
  process.stderr.on('error', () => undefined);
  process.on('uncaughtException', (error) => {
    say(error);
    process.exit(ExitCode.Internal);
  });
}

/** Again after oclif is loaded, because it listens too, and throws. */
export function ownOutputErrors(): void {
  process.stdout.removeAllListeners('error');
  process.stdout.on('error', outputFailed);
}

/**
 * For a command whose work is not its output, such as an autoscaler: it runs on without standard output, and
 * the problem is reported once.
 */
export function runOnWithoutOutput(say: (problem: string) => void): void {
  runOn = say;
}

/** Handles a failed write to standard output. */
export function outputFailed(error: NodeJS.ErrnoException): void {
  if (told) return;
  told = true;
  const problem = outputLost(error);
  if (runOn !== undefined) {
    runOn(problem.message);
    return;
  }
  if (READER_GONE.includes(error.code)) process.exit();
  say(problem);
  process.exit(ExitCode.Output);
}

function outputLost({ code, message }: NodeJS.ErrnoException): InferError {
  // `ENOSPC: no space left on device, write`.
  const reason = /^\w+: (.+), \w+$/.exec(message)?.[1] ?? message.replace(/^write /, '');
  const shown = reason === code ? reason : `${reason} (${code})`;
  return new InferError('OUTPUT', `standard output cannot be written: ${shown}`, {
    hint:
      code === 'ENOSPC' || code === 'EDQUOT'
        ? 'free some space or write elsewhere; what the command changed is done'
        : 'write elsewhere; what the command changed is done',
  });
}

function say(error: unknown): void {
  const shown = describeError(error, { command: 'infer', debug: debugWanted() });
  for (const line of errorLines(shown)) process.stderr.write(`${line}\n`);
}
