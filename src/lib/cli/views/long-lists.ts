import { printable, terminalJson } from '../../core/printable.js';
import { isLongList, typeOfList } from '../../model/rows.js';

/** Elements shown at each end of an axis that is shortened, as NumPy's `edgeitems`. */
const EDGE = 3;
/** Columns of a list whose terminal has no width. */
const USUAL_WIDTH = 80;
const MORE = '...';

/** Whether a value has a list that is shortened on a terminal. */
export function isShortened(value: unknown): boolean {
  if (Array.isArray(value)) return isLongList(value) || value.some(isShortened);
  return typeof value === 'object' && value !== null && Object.values(value).some(isShortened);
}

/** What a terminal says of a result with such a list. */
export function allOf(id: string): string {
  const all = `infer result ${printable(id)} --output all.npy`;
  return `long lists are shortened here; all of it: ${all}, or --json`;
}

/**
 * JSON for people: long lists of numbers as NumPy prints them, `[0.1, 0.2, 0.3, ..., 0.9, 1.0] float32[1200]`,
 * anything else as JSON, one value a line.
 */
export function shortened(value: unknown, width: number): string[] {
  return linesOf(value, 0, Number.isFinite(width) ? width : USUAL_WIDTH);
}

function linesOf(value: unknown, depth: number, width: number): string[] {
  if (Array.isArray(value) && isLongList(value)) return arrayLines(value, width - 2 * depth);
  if (!isShortened(value)) return terminalJson(JSON.stringify(value, null, 2)).split('\n');
  const isList = Array.isArray(value);
  const fields = isList
    ? value.map((one): [string, unknown] => ['', one])
    : Object.entries(value as object).map(([name, one]): [string, unknown] => [
        `${terminalJson(JSON.stringify(name))}: `,
        one,
      ]);
  const inner = fields.flatMap(([name, one], at) => {
    const isLong = Array.isArray(one) && isLongList(one);
    // Its further lines begin below its first bracket.
    const margin = ' '.repeat(isLong ? 2 + name.length : 2);
    const [first = '', ...rest] = linesOf(one, depth + 1, isLong ? width - name.length : width);
    const lines = [`  ${name}${first}`, ...rest.map((line) => margin + line)];
    const end = at < fields.length - 1 ? ',' : '';
    return lines.map((line, i) => (i === lines.length - 1 ? line + end : line));
  });
  return [isList ? '[' : '{', ...inner, isList ? ']' : '}'];
}

/** The lines of a list of numbers, with its type and shape after it. */
function arrayLines(list: readonly unknown[], width: number): string[] {
  const lines = axisLines(list, 0, Math.max(20, width));
  const shape = shapeOf(list);
  const about = `${typeOfList(list) ?? ''}[${shape.join(',')}]`;
  return lines.map((line, at) => (at === lines.length - 1 ? `${line} ${about}` : line));
}

function axisLines(list: readonly unknown[], depth: number, width: number): string[] {
  const cut = list.length > 2 * EDGE;
  const shown: unknown[] = cut ? [...list.slice(0, EDGE), MORE, ...list.slice(-EDGE)] : [...list];
  const isLast = !list.some(Array.isArray);
  const indent = ' '.repeat(depth + 1);
  const blocks = shown.map((one, at): string[] => {
    if (cut && at === EDGE) return [MORE];
    return isLast ? [terminalJson(JSON.stringify(one))] : axisLines(one as unknown[], depth + 1, width);
  });
  if (!isLast) {
    const lines = blocks.flatMap((block, at) =>
      block.map((line, i) => {
        const end = i === block.length - 1 && at < blocks.length - 1 ? ',' : '';
        return (at === 0 && i === 0 ? `[${line}` : i === 0 ? indent + line : line) + end;
      }),
    );
    return lines.map((line, at) => (at === lines.length - 1 ? `${line}]` : line));
  }
  const lines: string[] = [];
  let line = '[';
  for (const [at, [text = '']] of blocks.entries()) {
    const piece = at < blocks.length - 1 ? `${text},` : `${text}]`;
    if (line.trim() !== '[' && line.length + piece.length + 1 > width) {
      lines.push(line);
      line = indent + piece;
    } else line += line.endsWith('[') ? piece : ` ${piece}`;
  }
  return [...lines, list.length === 0 ? '[]' : line];
}

function shapeOf(list: unknown): number[] {
  return Array.isArray(list) ? [list.length, ...shapeOf(list[0])] : [];
}
