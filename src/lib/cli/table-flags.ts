import { Args, Flags } from '@oclif/core';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { FoundFiles } from '../input/files/find-files.js';
import type { InputFormat } from '../input/sniff.js';
import type { TableOptions } from '../input/table/table.js';

/** Flags of commands that read rows from a file. */
const FORMATS = [
  'csv',
  'tsv',
  'parquet',
  'ndjson',
  'json',
  'npy',
  'text',
] as const satisfies readonly InputFormat[];

/** What is read. */
export function inputFileArg() {
  return Args.string({
    required: true,
    multiple: true,
    description: 'files, folders, patterns and addresses, or - for standard input',
  });
}

/** The files that the argument names. @throws InferError INPUT_* (66), USAGE (2). */
export async function inputFiles(
  words: readonly string[],
  note: (text: string) => void,
): Promise<FoundFiles> {
  const { findFiles } = await import('../input/files/find-files.js');
  if (words.includes('-') && process.stdin.isTTY) note('reading from the terminal, end with Ctrl-D');
  return findFiles(words, process.stdin);
}

export function inputFlags() {
  return {
    format: Flags.string({
      helpValue: '<format>',
      options: FORMATS,
      description: `format of the input, if it is not recognised: ${FORMATS.join(', ')}`,
    }),
    columns: Flags.string({
      helpValue: '<input=columns>',
      multiple: true,
      multipleNonGreedy: true,
      description: 'columns of a table that make an input: pixels=p0..p63 or age=years [by their names]',
    }),
    delimiter: Flags.string({
      helpValue: '<char>',
      description: 'character between the cells of a CSV table, tab for a tab [found]',
    }),
    header: Flags.boolean({
      allowNo: true,
      description: 'the first line of a CSV table names its columns; --no-header: it is a row [found]',
    }),
  };
}

interface InputFlags {
  format?: string | undefined;
  columns?: string[] | undefined;
  delimiter?: string | undefined;
  header?: boolean | undefined;
}

/** The values of `inputFlags`, for a reader. @throws InferError USAGE (2). */
export async function inputOptions({
  format,
  columns,
  delimiter,
  header,
}: InputFlags): Promise<{ format: InputFormat | 'auto'; table: TableOptions }> {
  const { parseColumnWishes } = await import('../input/table/column-wishes.js');
  return {
    format: (format as InputFormat | undefined) ?? 'auto',
    table: {
      header,
      delimiter: delimiter === undefined ? undefined : oneCharacter(delimiter),
      columns: columns === undefined ? undefined : parseColumnWishes(columns),
    },
  };
}

function oneCharacter(text: string): string {
  const character = text === 'tab' || text === '\\t' ? '\t' : text;
  // A quote or a line end cannot separate cells.
  if (/^[^"\r\n]$/.test(character)) return character;
  throw new InferError('USAGE', `--delimiter takes one character, not '${printable(text)}'`, {
    hint: "--delimiter ';' or --delimiter tab",
  });
}
