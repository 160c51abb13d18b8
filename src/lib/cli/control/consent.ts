import { createInterface } from 'node:readline/promises';
import { InferError } from '../../core/errors.js';
import { ExitCode } from '../../core/exit-codes.js';
import { printable } from '../../core/job.js';

export interface Asking {
  /** What would happen: `cancels 1,200 jobs of batch`. */
  danger: string;
  /** What `--confirm` has to name. */
  target: string;
  yes: boolean;
  confirm: string | undefined;
  /** Where a person can be asked; undefined in a pipe. */
  terminal: { input: NodeJS.ReadableStream; output: NodeJS.WritableStream } | undefined;
  /** The command as typed, without consent: for the hint. */
  command: string;
  signal: AbortSignal;
}

/**
 * Makes sure that something destructive is meant: `--yes`, `--confirm` with the right name, or a
 * person who says so.
 * @throws InferError CONFIRM (2) where nobody can be asked, CONFIRM_NAME (2) for another name,
 * NOT_CONFIRMED (1) for a no.
 */
export async function consent(asking: Asking): Promise<void> {
  const { danger, target, command } = asking;
  if (asking.confirm !== undefined && asking.confirm !== target) {
    throw new InferError(
      'CONFIRM_NAME',
      `--confirm names ${printable(asking.confirm)}, and this is about ${printable(target)}: nothing was done`,
      { hint: `${command} --confirm ${target}`, exitCode: ExitCode.Usage },
    );
  }
  if (asking.yes || asking.confirm === target) return;
  if (asking.terminal === undefined) {
    throw new InferError('CONFIRM', `this ${danger}, and nobody confirmed it: nothing was done`, {
      hint: `${command} --yes, or first ${command} --dry-run`,
      exitCode: ExitCode.Usage,
    });
  }
  const terminal = createInterface({ ...asking.terminal, terminal: false });
  try {
    const question = `This ${printable(danger)}. Go on? [y/N] `;
    // The end of the input (Ctrl-D) is no answer, and no promise of readline settles at it.
    const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    const answer = await Promise.race([terminal.question(question, { signal: asking.signal }), ended]);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    terminal.close();
  }
  throw new InferError('NOT_CONFIRMED', 'nothing was done', { exitCode: ExitCode.Negative });
}
