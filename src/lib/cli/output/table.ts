import Table from 'cli-table3';
import { count } from '../../core/counts.js';
import { printable } from '../../core/printable.js';
import type { Format, Layout } from './text.js';
import { visibleWidth } from './width.js';

export interface Column {
  title: string;
  align?: 'left' | 'right';
  /** Identifies the row: repeated when a table is split. The first column always is. */
  key?: boolean;
}

/**
 * Text unchanged; an integer, on a terminal with thousands separators; either with a style, which is dropped
 * if colour is off; or several values, stacked on a terminal and separated by commas in a pipe.
 */
export type Cell =
  | string
  | number
  | { text: string | number; format: Format }
  | { values: readonly string[] };

/**
 * Renders a table as lines. On a terminal it has borders; if too narrow, it first loses the borders, then
 * becomes a block of `TITLE value` lines per row. In a pipe: tab-separated with a header. Nothing is ever
 * truncated, and every cell is made printable here, so callers pass raw text.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  layout: Layout,
): string[] {
  return fitting(columns, rows, layout) ?? records(columns, rows, layout);
}

/** As a table; undefined if the terminal is too narrow for one. */
function fitting(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  layout: Layout,
  styles: readonly boolean[] = [true, false],
): string[] | undefined {
  if (!layout.tty) {
    return [columns.map((column) => column.title), ...rows.map((row) => row.map(rawText))].map((row) =>
      row.join('\t'),
    );
  }
  for (const bordered of styles) {
    const lines = draw(columns, rows, layout, bordered);
    if (Math.max(...lines.map(visibleWidth)) <= layout.width) return lines;
  }
  return undefined;
}

/** More parts than this are less readable than a block per row. */
const MOST_PARTS = 3;

/**
 * The same, but a table that is too wide for its terminal is first split into two or three, each with the
 * columns that identify its rows, so that rows can still be compared.
 */
export function renderFolded(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  layout: Layout,
): string[] {
  const whole = fitting(columns, rows, layout);
  if (whole !== undefined) return whole;
  const indexes = columns.map((_, at) => at);
  const keys = indexes.filter((at) => at === 0 || columns[at]?.key === true);
  const others = indexes.filter((at) => !keys.includes(at));
  const part = (from: number, to: number): string[] | undefined => {
    const at = [...keys, ...others.slice(from, to)];
    return fitting(
      at.map((i) => columns[i] as Column),
      rows.map((row) => at.map((i) => row[i] ?? '')),
      layout,
      [false],
    );
  };
  const parts: string[][] = [];
  for (let from = 0; from < others.length; ) {
    let to = others.length;
    let lines = part(from, to);
    while (lines === undefined && --to > from) lines = part(from, to);
    if (lines === undefined || parts.length === MOST_PARTS) return records(columns, rows, layout);
    parts.push(lines);
    from = to;
  }
  return parts.flatMap((lines, at) => (at === 0 ? lines : ['', ...lines]));
}

function rawText(cell: Cell): string {
  if (typeof cell !== 'object') return printable(String(cell));
  return 'values' in cell ? cell.values.map(printable).join(', ') : printable(String(cell.text));
}

function painted(cell: Cell, layout: Layout): string {
  if (typeof cell !== 'object') return shown(cell, layout);
  if ('values' in cell) return cell.values.map(printable).join('\n');
  return cell.text === 0 ? shown(0, layout) : layout.paint(cell.format, shown(cell.text, layout));
}

/** A zero without a style is dimmed, so that other values stand out. */
function shown(value: string | number, { paint }: Layout): string {
  if (typeof value === 'string') return printable(value);
  return value === 0 ? paint('dim', '0') : count(value);
}

// No lines between rows: less clutter, and a screen holds twice as many.
const BORDERS = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  right: '',
  middle: '  ',
  ...BORDERS,
};
const BOX = /[─│┌┐└┘├┤┬┴┼]+/g;
const HEADER_LINE = 1;

function draw(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  layout: Layout,
  bordered: boolean,
): string[] {
  const table = new Table({
    head: columns.map((column) => layout.paint('bold', column.title)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    chars: bordered ? BORDERS : NO_BORDERS,
    // cli-table3 colours head and borders even in a pipe; we colour both ourselves.
    style: bordered
      ? { head: [], border: [] }
      : { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map((cell) => painted(cell, layout)));
  const lines = table.toString().split('\n');
  if (!bordered) return lines.map((line) => line.trimEnd());
  const width = visibleWidth(lines[0] ?? '');
  const rule = `├${'─'.repeat(Math.max(0, width - 2))}┤`;
  const withRule = [
    ...lines.slice(0, HEADER_LINE + 1),
    joinRule(lines[0] ?? '', rule),
    ...lines.slice(HEADER_LINE + 1),
  ];
  return withRule.map((line) => line.replace(BOX, (box) => layout.paint('dim', box)));
}

/** The line under the header, with a junction wherever the top line has one. */
function joinRule(top: string, rule: string): string {
  return [...rule].map((char, at) => ([...top][at] === '┬' ? '┼' : char)).join('');
}

function records(columns: readonly Column[], rows: readonly (readonly Cell[])[], layout: Layout): string[] {
  const titleWidth = Math.max(...columns.map((column) => column.title.length));
  return rows.flatMap((row, at) => [
    ...(at === 0 ? [] : ['']),
    ...columns.flatMap((column, index) => {
      const title = layout.paint('bold', column.title.padEnd(titleWidth));
      const [first, ...more] = painted(row[index] ?? '', layout).split('\n');
      return [`${title}  ${first}`.trimEnd(), ...more.map((value) => ' '.repeat(titleWidth + 2) + value)];
    }),
  ]);
}
