import { badInput } from '../../core/errors.js';
import { shownName } from '../wanted.js';
import { decimal, trimmed } from './cells.js';

/** Fewer counted cells may be a row of numbers. */
const LEAST_COUNTED = 4;

/**
 * Whether the first row names the columns. It does when it contains a name that is looked for, when it counts
 * the columns (`0,1,2,...`, as pandas writes a frame without names), or when none of its cells is a number.
 * @param known names of inputs and of columns that were asked for
 */
export function isHeader(
  first: readonly string[],
  second: readonly string[] | undefined,
  known: ReadonlySet<string>,
): boolean {
  const cells = first.map(trimmed);
  if (cells.some((cell) => known.has(cell))) return true;
  if (isCounted(cells) && (second === undefined || !isCounted(second.map(trimmed)))) return true;
  return !cells.some((cell) => decimal(cell) !== undefined);
}

/** `0`, `1`, `2`, ..., perhaps between names. */
function isCounted(cells: readonly string[]): boolean {
  const counted = cells.filter((cell) => decimal(cell) !== undefined);
  return counted.length >= LEAST_COUNTED && counted.every((cell, index) => cell === String(index));
}

/** A name for a column that has none. */
export function madeUpName(index: number): string {
  return `column_${index + 1}`;
}

/**
 * The names of a header, unnamed columns by their position.
 * @throws InferError INPUT_TABLE for a name that occurs twice: it would be unclear which column is meant.
 */
export function columnNames(header: readonly string[], label: string): string[] {
  const names = header.map((cell, index) => trimmed(cell) || madeUpName(index));
  const seen = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    const before = seen.get(name);
    if (before !== undefined) {
      throw badInput(
        'INPUT_TABLE',
        `columns ${before + 1} and ${index + 1} of ${label} are both named '${shownName(name)}'`,
        { hint: 'rename one of them; without a header, say so: --no-header' },
      );
    }
    seen.set(name, index);
  }
  return names;
}
