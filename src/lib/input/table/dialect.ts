/** Finds how a table of text is written, from its beginning. */

const QUOTE = '"';
/**
 * In the order of preference where several separate every line into equally many cells: a comma also occurs
 * as a decimal separator and in text, the others rarely do.
 */
const DELIMITERS = ['\t', ';', '|', ','] as const;
/** Complete lines that are compared. */
const LINES = 50;

/** Numbers of cells in the first complete records; a quoted cell may contain delimiters and line ends. */
function cellCounts(text: string, delimiter: string, complete: boolean): number[] {
  const counts: number[] = [];
  let cells = 1;
  let quoted = false;
  let atStart = true;
  let empty = true;
  for (let i = 0; i < text.length && counts.length < LINES; i++) {
    const char = text[i] as string;
    if (quoted) {
      if (char === QUOTE) {
        if (text[i + 1] === QUOTE) i += 1;
        else quoted = false;
      }
      continue;
    }
    if (char === '\n' || char === '\r') {
      if (!empty) counts.push(cells);
      cells = 1;
      empty = true;
      atStart = true;
      continue;
    }
    empty = false;
    if (char === delimiter) {
      cells += 1;
      atStart = true;
    } else {
      if (char === QUOTE && atStart) quoted = true;
      atStart = false;
    }
  }
  if (complete && !empty && counts.length < LINES) counts.push(cells);
  return counts;
}

/**
 * The character between the cells of a table: the one that separates each of its first lines into equally
 * many cells, two at least. Undefined when there is none: then it has one column, or is no table.
 * @param text its first lines
 * @param complete the text is all of it, so its last line is complete
 */
export function findDelimiter(text: string, complete: boolean): string | undefined {
  const found = DELIMITERS.map((delimiter) => ({ delimiter, counts: cellCounts(text, delimiter, complete) }))
    .map(({ delimiter, counts }) => ({
      delimiter,
      lines: counts.length,
      cells: counts.every((count) => count === counts[0]) ? (counts[0] ?? 1) : 1,
    }))
    .filter(({ cells }) => cells > 1);
  // In a single line every delimiter is regular; then the most frequent one counts.
  if (found.every(({ lines }) => lines === 1)) found.sort((a, b) => b.cells - a.cells);
  return found[0]?.delimiter;
}

/** The delimiter of a table whose lines differ in their number of cells: the one most of its header has. */
export function likelyDelimiter(text: string): string {
  const first = DELIMITERS.map((delimiter) => ({
    delimiter,
    cells: cellCounts(text, delimiter, true)[0] ?? 1,
  }));
  first.sort((a, b) => b.cells - a.cells);
  return (first[0]?.cells ?? 1) > 1 ? (first[0]?.delimiter ?? ',') : ',';
}
