import { Flags } from '@oclif/core';
import { printable, terminalText } from '../../core/printable.js';
import { NdjsonWriter, writeText } from './json.js';
import { type Cell, type Column, renderFolded } from './table.js';
import type { Layout, OutputStream } from './text.js';

/** Values of `-o`, for every command that shows a list. `json` means `--json`. */
const LIST_FORMATS = ['table', 'wide', 'json', 'ndjson', 'name'] as const;

export type ListFormat = (typeof LIST_FORMATS)[number];

const OUTPUT_FLAGS = new WeakSet<object>();

/** `-o, --output table|wide|json|ndjson|name`; undefined if not given. */
export function outputFlag(): ReturnType<typeof makeFlag> {
  const flag = makeFlag();
  OUTPUT_FLAGS.add(flag);
  return flag;
}

function makeFlag() {
  return Flags.option({
    char: 'o',
    options: LIST_FORMATS,
    helpValue: 'table|wide|json|ndjson|name',
    description: 'how to print the list; wide has more columns, name only the names, ndjson a record a line',
  })();
}

/**
 * Whether the words contain `-o json` for a command with the list flag. Found by searching the words, as
 * oclif does for `--json`: an error in another flag is then printed as JSON too.
 */
export function asksForJson(argv: readonly string[], flags: Readonly<Record<string, object>>): boolean {
  if (flags.output === undefined || !OUTPUT_FLAGS.has(flags.output)) return false;
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  return words.some(
    (word, at) =>
      /^(-o=?|--output=)json$/.test(word) || (word === 'json' && /^(-o|--output)$/.test(words[at - 1] ?? '')),
  );
}

export interface ListColumn<T> extends Column {
  /** Shown only by `-o wide`. */
  readonly wide?: boolean;
  /** Omitted on a terminal if it is empty or `-` in every row; scripts that read a pipe count columns. */
  readonly optional?: boolean;
  /** May be raw text from Redis: it is made printable when drawn. */
  cell(record: T): Cell;
}

/** How records of one kind are shown in every format. */
export interface ListView<T> {
  readonly columns: readonly ListColumn<T>[];
  /** The name or id for use in another command: what `-o name` and `--quiet` print. */
  name(record: T): string;
  /** The record as a JSON value [itself]. */
  json?(record: T): unknown;
  /** Message for a terminal when there are no records. */
  readonly empty: string;
}

export interface ListTarget {
  readonly format: ListFormat;
  readonly layout: Layout;
  readonly stream: OutputStream;
}

/**
 * The format determined by `-o`, `--json` (takes precedence) and `--quiet` (names only, unless `-o` says
 * otherwise).
 */
export function listFormat(given: ListFormat | undefined, json: boolean, quiet: boolean): ListFormat {
  if (json) return 'json';
  return given ?? (quiet ? 'name' : 'table');
}

/** The list as text, for all formats except JSON. */
export function renderList<T>(
  view: ListView<T>,
  records: readonly T[],
  format: 'table' | 'wide' | 'name',
  layout: Layout,
): string[] {
  if (format === 'name') return records.map((record) => printable(view.name(record)));
  if (records.length === 0 && layout.tty) return [layout.paint('dim', view.empty)];
  const columns = view.columns.filter((column) => format === 'wide' || column.wide !== true);
  const rows = records.map((record) => columns.map((column) => column.cell(record)));
  const kept = columns.map(
    (column, at) => !layout.tty || column.optional !== true || rows.some((row) => !isEmpty(row[at] ?? '')),
  );
  return renderFolded(
    columns.filter((_, at) => kept[at]),
    rows.map((row) => row.filter((_, at) => kept[at])),
    layout,
  );
}

function isEmpty(cell: Cell): boolean {
  const text = typeof cell !== 'object' ? cell : 'text' in cell ? cell.text : cell.values.join('');
  return text === '' || text === '-';
}

/** The JSON values of a list, for the document that a command returns under `--json`. */
export function listJson<T>(view: ListView<T>, records: readonly T[]): unknown[] {
  return records.map((record) => (view.json === undefined ? record : view.json(record)));
}

/** Records collected per write: one write each would cost a system call per line. */
const WRITE_AT_ONCE = 256;

/**
 * Writes a list to its stream and returns the number of records. NDJSON, names and piped tables are written
 * as records arrive, no faster than the reader takes them; a table on a terminal needs all of them for its
 * widths. `json` writes nothing: that document is the return value of `run`.
 */
export async function printList<T>(
  target: ListTarget,
  view: ListView<T>,
  records: Iterable<T> | AsyncIterable<T>,
): Promise<number> {
  const { format, layout, stream } = target;
  const write = async (lines: readonly string[]): Promise<void> => {
    if (lines.length > 0) await writeText(stream, terminalText(`${lines.join('\n')}\n`));
  };
  let count = 0;
  if (format === 'json' || (format !== 'ndjson' && format !== 'name' && layout.tty)) {
    const all: T[] = [];
    for await (const record of records) all.push(record);
    if (format !== 'json') await write(renderList(view, all, format, layout));
    return all.length;
  }
  if (format === 'ndjson') {
    const ndjson = new NdjsonWriter(stream);
    for await (const record of records)
      await ndjson.write(view.json === undefined ? record : view.json(record));
    return ndjson.written;
  }
  const header = format === 'name' ? 0 : 1;
  let batch: T[] = [];
  const flush = async (): Promise<void> => {
    // A piped table's first line is its header, which must appear once.
    const lines = renderList(view, batch, format, layout);
    await write(count === 0 ? lines : lines.slice(header));
    count += batch.length;
    batch = [];
  };
  for await (const record of records) {
    batch.push(record);
    if (batch.length === WRITE_AT_ONCE) await flush();
  }
  if (batch.length > 0 || count === 0) await flush();
  return count;
}
