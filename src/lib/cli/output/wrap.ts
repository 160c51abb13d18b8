import { printable } from '../../core/printable.js';
import { joinWithin, LEAST_WIDTH, wholes, widthIn, wrapWords } from './sentence.js';
import { type Cell, type Column, renderTable } from './table.js';
import { heading, type Layout } from './text.js';
import { visibleWidth } from './width.js';

/**
 * `Redis  a · b · c`, wrapped to further lines where it does not fit the terminal; parts must be safe to
 * print.
 */
export function titledParts(title: string, parts: readonly string[], layout: Layout): string[] {
  const { paint } = layout;
  const indent = title.length + 1;
  const room = widthIn(layout) - indent;
  const [first = '', ...more] = joinWithin(parts, paint('dim', ' · '), room);
  return [`${heading(title, paint)} ${first}`, ...more.map((line) => ' '.repeat(indent) + line)];
}

/**
 * A table whose columns `wrapped` (indexes) contain sentences: these take several lines if the terminal is
 * narrow.
 */
export function renderWrapped(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  layout: Layout,
  wrapped: readonly number[],
): string[] {
  if (!layout.tty) return renderTable(columns, rows, layout);
  const natural = columns.map(({ title }, at) =>
    Math.max(title.length, ...rows.map((row) => visibleWidth(printable(row[at] ?? '')))),
  );
  const others = natural.reduce((sum, width, at) => sum + (wrapped.includes(at) ? 0 : width), 0);
  const borders = [3 * columns.length + 1, 2 * (columns.length - 1)];
  const wrapTo = (widths: ReadonlyMap<number, number>) =>
    rows.map((row) =>
      row.map((text, at): Cell => {
        const width = widths.get(at);
        return width === undefined ? text : { values: wrapWords(printable(text), width) };
      }),
    );
  for (const taken of borders) {
    const widths = shareOut(layout.width - others - taken, natural, wrapped);
    const fits = wrapped.every((at) => {
      const width = widths.get(at) ?? 0;
      const longest = Math.max(...rows.flatMap((row) => wholes(printable(row[at] ?? '')).map(visibleWidth)));
      return width >= Math.min(LEAST_WIDTH, natural[at] ?? 0) && width >= longest;
    });
    if (fits) return renderTable(columns, wrapTo(widths), layout);
  }
  // In that case, a block per row, whose values begin after the longest title.
  const room = layout.width - Math.max(...columns.map(({ title }) => title.length)) - 2;
  return renderTable(columns, wrapTo(new Map(wrapped.map((at) => [at, room]))), layout);
}

/**
 * The width of some columns within the available room: what each needs, or an equal share of what is left.
 */
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
