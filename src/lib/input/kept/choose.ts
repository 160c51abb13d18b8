import { badInput } from '../../core/errors.js';
import { nearest, shownName } from '../wanted.js';
import type { KeepWish } from './kept.js';

/**
 * Indexes of the columns to keep, in the order of the input.
 * @throws InferError INPUT_NAMES (65) for a name that no column has.
 */
export function chosen(columns: readonly string[], { keep, drop }: KeepWish, label: string): number[] {
  for (const name of [...(keep ?? []), ...(drop ?? [])]) {
    if (columns.includes(name)) continue;
    const near = nearest(name, columns);
    throw badInput(
      'INPUT_NAMES',
      `${label} has no column '${shownName(name)}' to ${keep?.includes(name) ? 'keep' : 'drop'}`,
      {
        hint: near === undefined ? 'name one of its columns' : `did you mean '${shownName(near)}'?`,
      },
    );
  }
  return columns.flatMap((name, index) => {
    const kept = keep === undefined ? drop?.includes(name) !== true : keep.includes(name);
    return kept ? [index] : [];
  });
}
