import { InferError } from '../core/errors.js';
import { askYes } from './ask.js';

export interface Confirmation {
  /** What `y` confirms, such as `Set these?`. */
  question: string;
  /** `--yes` was given. */
  yes: boolean;
  /** Whether a user can be asked: not in a pipe, not under `--json`. */
  interactive: boolean;
  /** Aborts waiting for an answer. */
  signal?: AbortSignal | undefined;
}

/**
 * True when the user agreed, on the terminal or with a flag. Ctrl-C ends the command immediately; an empty
 * answer and Ctrl-D mean no.
 * @throws InferError CONFIRM (exit 2) when no user can be asked and `--yes` is missing.
 */
export async function confirm({ question, yes, interactive, signal }: Confirmation): Promise<boolean> {
  if (yes) return true;
  if (!interactive) {
    throw new InferError('CONFIRM', 'this changes the server, and there is no terminal to confirm it on', {
      hint: 'add --yes, or look first with --dry-run',
    });
  }
  return askYes(question, { input: process.stdin, output: process.stderr }, signal);
}
