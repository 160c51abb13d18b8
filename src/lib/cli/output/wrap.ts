import { printable } from '../../core/job.js';
import { type Cell, type Column, renderTable, visibleWidth } from './table.js';
import { heading, type Layout } from './text.js';

/** Text in lines of at most `width` columns, broken between words; a longer word keeps a line of its own. */
export function wrapWords(text: string, width: number): string[] {
  return joinWithin(text.split(' '), ' ', width);
}

/** `Redis  a · b · c`, with what does not fit the terminal on lines below; parts must be safe to print. */
export function titledParts(
  title: string,
  parts: readonly string[],
  { paint, tty, width }: Layout,
): string[] {
  const indent = title.length + 1;
  const room = tty ? width - indent : Number.POSITIVE_INFINITY;
  const [first = '', ...more] = joinWithin(parts, paint('dim', ' · '), room);
  return [`${heading(title, paint)} ${first}`, ...more.map((line) => ' '.repeat(indent) + line)];
}

function joinWithin(parts: readonly string[], separator: string, width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = `${lines.at(-1)}${separator}${part}`;
    if (lines.length > 0 && visibleWidth(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

/** Narrower than this, words are harder to read than in a block a row. */
const LEAST_WIDTH = 20;

/** A table whose columns `wrapped` (their indexes) hold sentences: these take several lines where the terminal is narrow. */
export function renderWrapped(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  layout: Layout,
  wrapped: readonly number[],
): string[] {
  const natural = columns.map(({ title }, at) =>
    Math.max(title.length, ...rows.map((row) => visibleWidth(printable(row[at] ?? '')))),
  );
  const others = natural.reduce((sum, width, at) => sum + (wrapped.includes(at) ? 0 : width), 0);
  const borders = [3 * columns.length + 1, 2 * (columns.length - 1)];
  for (const taken of layout.tty ? borders : []) {
    const widths = shareOut(layout.width - others - taken, natural, wrapped);
    if (wrapped.some((at) => (widths.get(at) ?? 0) < Math.min(LEAST_WIDTH, natural[at] ?? 0))) continue;
    const cells = rows.map((row) =>
      row.map((text, at): Cell => {
        const width = widths.get(at);
        return width === undefined ? text : { values: wrapWords(printable(text), width) };
      }),
    );
    return renderTable(columns, cells, layout);
  }
  return renderTable(columns, rows, layout);
}

/** What each of some columns gets of so much room: what it needs, or its equal share of what is left. */
function shareOut(room: number, needed: readonly number[], among: readonly number[]): Map<number, number> {
  const shares = new Map<number, number>();
  let left = room;
  for (const at of [...among].sort((a, b) => (needed[a] ?? 0) - (needed[b] ?? 0))) {
    const share = Math.min(needed[at] ?? 0, Math.floor(left / (among.length - shares.size)));
    shares.set(at, share);
    left -= share;
  }
  return shares;
}
