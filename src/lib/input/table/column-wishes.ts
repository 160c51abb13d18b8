import { badInput, InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import { nearest, shownName } from '../wanted.js';

/** By input: names of columns, and ranges of them (`p0..p63`) in the order of the file. */
export type ColumnWishes = ReadonlyMap<string, readonly string[]>;

/**
 * Reads `pixels=p0..p63` and `pixels=a,b,c`, one text an input.
 * @throws InferError USAGE (2).
 */
export function parseColumnWishes(texts: readonly string[]): ColumnWishes {
  const wishes = new Map<string, string[]>();
  for (const text of texts) {
    const cut = text.indexOf('=');
    const names = text
      .slice(cut + 1)
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    if (cut < 1 || names.length === 0) {
      throw new InferError('USAGE', `--columns does not understand '${printable(text)}'`, {
        hint: 'name an input of the model and its columns: --columns pixels=p0..p63 or --columns age=years',
      });
    }
    const input = text.slice(0, cut).trim();
    wishes.set(input, [...(wishes.get(input) ?? []), ...names]);
  }
  return wishes;
}

/**
 * Indexes of the columns that names and ranges refer to.
 * @throws InferError INPUT_NAMES (65) for a column that the table does not have, or a range without columns.
 */
export function columnsNamed(names: readonly string[], columns: readonly string[], label: string): number[] {
  const indexOf = (name: string): number => {
    const index = columns.indexOf(name);
    if (index >= 0) return index;
    const near = nearest(name, columns);
    throw badInput('INPUT_NAMES', `${label} has no column '${shownName(name)}'`, {
      hint:
        near === undefined
          ? `its columns are ${shownColumns(columns)}`
          : `did you mean '${shownName(near)}'?`,
    });
  };
  return names.flatMap((name) => {
    const dots = columns.includes(name) ? -1 : name.indexOf('..');
    if (dots < 0) return [indexOf(name)];
    const from = indexOf(name.slice(0, dots));
    const to = indexOf(name.slice(dots + 2));
    if (from <= to) return Array.from({ length: to - from + 1 }, (_, i) => from + i);
    throw badInput(
      'INPUT_NAMES',
      `column '${shownName(columns[to] ?? '')}' of ${label} comes before '${shownName(columns[from] ?? '')}'`,
      {
        hint: 'write the range in the order of the file',
      },
    );
  });
}

const COLUMNS_SHOWN = 6;

/** `'id', 'p0', 'p1' and 63 more` */
export function shownColumns(columns: readonly string[]): string {
  const shown = columns.slice(0, COLUMNS_SHOWN).map((name) => `'${shownName(name)}'`);
  const more = columns.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}
