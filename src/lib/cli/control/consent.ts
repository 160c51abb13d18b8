import { InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import { type Asked, askYes } from '../ask.js';

export interface Asking {
  /** What would happen: `cancels 1,200 jobs of batch`. */
  danger: string;
  /** The name that `--confirm` must give. */
  target: string;
  yes: boolean;
  confirm: string | undefined;
  /** Where a user can be asked; undefined in a pipe. */
  terminal: Asked | undefined;
  /** The command as typed, without its confirmation flags: for the hint. */
  command: string;
  signal: AbortSignal;
}

/**
 * Requires consent to a destructive action: `--yes`, `--confirm` with the right name, or a yes on the
 * terminal.
 * @throws InferError CONFIRM (2) when no user can be asked, CONFIRM_NAME (2) for another name, NOT_CONFIRMED
 *   (1) for a no.
 */
export async function consent(asking: Asking): Promise<void> {
  const { danger, target, command } = asking;
  if (asking.confirm !== undefined && asking.confirm !== target) {
    throw new InferError(
      'CONFIRM_NAME',
      `--confirm names ${printable(asking.confirm)}, and this is about ${printable(target)}: nothing was done`,
      { hint: `${command} --confirm ${target}` },
    );
  }
  if (asking.yes || asking.confirm === target) return;
  if (asking.terminal === undefined) {
    throw new InferError('CONFIRM', `this ${danger}, and it was not confirmed: nothing was done`, {
      hint: `${command} --yes, or first ${command} --dry-run`,
    });
  }
  if (await askYes(`This ${danger}. Continue?`, asking.terminal, asking.signal)) return;
  throw new InferError('NOT_CONFIRMED', 'nothing was done');
}
